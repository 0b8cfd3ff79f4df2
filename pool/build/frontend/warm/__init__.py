"""Warm hooks: forks of template processes that have imported the build backend."""
