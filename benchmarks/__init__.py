"""How fast tlskit is, as ratios to its peers in the same run."""
