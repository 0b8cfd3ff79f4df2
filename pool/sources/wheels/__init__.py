"""Wheel files: structure, metadata, RECORD, entry points; limits for zips of others."""
