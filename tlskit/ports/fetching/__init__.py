"""What a peer forgot to send, and its CA publishes."""
