"""Tests of ``tlskit.stdlib``."""
