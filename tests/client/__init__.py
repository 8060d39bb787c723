"""Tests of ``tlskit.client``."""
