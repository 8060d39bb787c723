"""Tests of ``tlskit.server``."""
