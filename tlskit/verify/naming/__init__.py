"""Whom a certificate names, and what to say if it is somebody else."""
