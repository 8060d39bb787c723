"""Tests of ``tlskit.openssl``."""
