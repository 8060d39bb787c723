"""Tests of ``tlskit.tools``."""
