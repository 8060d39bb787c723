"""Tests that are the same for every driver."""
