"""``tlskit inspect``: see ``command``."""
