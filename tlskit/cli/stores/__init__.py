"""The stores of roots on this machine, and what puts a root into them."""
