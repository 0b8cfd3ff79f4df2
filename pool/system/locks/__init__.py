"""File locks: source trees, lock files, uv's locks, and their holders."""
