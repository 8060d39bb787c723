"""Blocking connections: the socket, the two files, and what moves bytes."""
