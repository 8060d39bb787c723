"""Tests of ``tlskit.trust``."""
