"""Tests of what the Scheme libraries' manuals promise."""
