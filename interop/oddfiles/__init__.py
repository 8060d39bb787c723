"""Odd files that other programs make, and what tlskit says about them."""
