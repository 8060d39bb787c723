"""A client's first message: read, named, collected."""
