"""The faces of wheelpool: command line, headless printer, Textual screens, replay.

They know the engine only through ``import pool``.
"""
