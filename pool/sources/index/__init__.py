"""Package indexes: HTTP, the Simple API, downloads."""
