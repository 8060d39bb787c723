"""The manual page, made from the help."""
