"""How a peer is told that it is refused, and how we are."""
