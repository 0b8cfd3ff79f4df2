"""Wheels into an existing environment: all of a set or nothing, whatever kills the process.

Blocking file work only: no events, no asyncio, and no lock of the environment's own, which
whoever calls `commit` holds.
"""
