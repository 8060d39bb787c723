"""Tests of ``tlskit.policy``."""
