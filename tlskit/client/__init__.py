"""Open connections: TCP, streams that exist, STARTTLS."""
