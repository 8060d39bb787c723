"""Certificates from an ACME server (RFC 8555), obtained and renewed."""
