"""Journals turned into what other tools read."""
