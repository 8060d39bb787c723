"""Certificates, keys and their encodings as data; nothing is judged."""
