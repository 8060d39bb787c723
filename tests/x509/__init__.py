"""Tests of ``tlskit.x509``."""
