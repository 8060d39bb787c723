"""Contexts: settings, the seal, the hooks."""
