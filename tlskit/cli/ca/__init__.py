"""``tlskit ca``: see ``command``."""
