"""``tlskit explain``: see ``command``."""
