"""The pool: resources that all runs share, housekeeping, eviction, and doctor."""
