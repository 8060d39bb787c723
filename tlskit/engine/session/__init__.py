"""The layers of a session, from OpenSSL up to the engine."""
