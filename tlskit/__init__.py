"""An object-oriented TLS toolkit: contexts, listeners and ports."""
