"""Tests of ``tlskit.context``."""
