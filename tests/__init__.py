"""The tests of tlskit."""
