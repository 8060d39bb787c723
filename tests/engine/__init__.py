"""Tests of ``tlskit.engine``."""
