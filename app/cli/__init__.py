"""The command line: click commands, exit codes, help, shell completion."""
