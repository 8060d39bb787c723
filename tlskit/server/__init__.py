"""Accept connections: listeners, handshakes, handlers, metrics."""
