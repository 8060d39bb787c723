"""Certificate Transparency (RFC 6962): logs, and their signed timestamps."""
