"""Tests of ``tlskit.ports``."""
