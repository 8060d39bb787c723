"""``tlskit connect``: see ``command``."""
