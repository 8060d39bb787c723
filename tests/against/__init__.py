"""Tests against other programs, in both roles."""
