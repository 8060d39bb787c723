"""Private keys (RFC 5958) that are written as only some programs do."""
