"""What ``set_strict()`` asks for besides OpenSSL's own strict rules."""
