"""What to build: targets, package indexes, archives, and the resolution of build requirements."""
