"""``tlskit serve``: see ``command``."""
