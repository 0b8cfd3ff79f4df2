"""The command line: click commands, exit codes, shell completion."""
