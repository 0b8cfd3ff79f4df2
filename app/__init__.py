"""The faces of wheelpool: command line, headless printer, Textual screens, replay.

They know the engine only through ``import pool``.
"""

__version__ = "0.1.0"
"""The version of pyproject.toml, repeated: reading the metadata of the installation takes four
times as long as ``wheelpool --version`` may."""
