"""Tests of ``tlskit.cli``."""
