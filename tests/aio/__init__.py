"""Tests of ``tlskit.aio``."""
