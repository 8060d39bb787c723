"""STARTTLS: one dialogue for each protocol that begins in plaintext."""
