"""Settings of a command: flags, environment variables, configuration file."""
