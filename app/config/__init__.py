"""Configuration of a command: the table of options, their sources, the engine's settings."""
