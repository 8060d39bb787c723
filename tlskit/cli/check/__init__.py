"""``tlskit check``: see ``command``."""
