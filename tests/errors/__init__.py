"""Tests of ``tlskit.errors``."""
