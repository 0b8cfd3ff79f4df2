"""Wheel files: structure, metadata, RECORD, entry points; limits for zips of others."""

from __future__ import annotations

RULES = 1
"""The number of the rules for wheels that are built: raised when one is refused that was not."""
