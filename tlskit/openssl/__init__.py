"""Everything that knows pyOpenSSL: the gate, private names, libraries."""
