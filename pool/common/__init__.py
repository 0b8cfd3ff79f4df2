"""Modules that every layer may use: model, errors, clock, units, text, redaction, files."""
