"""One TLS session without I/O."""
