"""``tlskit demo``: see ``command``."""
