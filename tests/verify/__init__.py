"""Tests of ``tlskit.verify``."""
