"""One port served by several processes."""
