"""The build frontend (PEP 517, PEP 660): hooks, build environments, tool shims, jobs of a hook."""
