"""Tests of ``tlskit.testing``."""
