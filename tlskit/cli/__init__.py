"""The command line: ``tlskit``, one folder for each larger subcommand."""
