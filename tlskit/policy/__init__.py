"""What a context has decided, as values: settings, sessions, key logs."""
