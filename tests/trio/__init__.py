"""Tests of ``tlskit.trio``."""
