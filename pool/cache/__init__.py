"""Persistent caches: keys, built wheels, unpacked wheels, folder layout, pruning."""
