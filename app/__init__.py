"""The user interfaces of wheelpool: command line, plain output, Textual screens, replay, reports.

They use the engine only through ``import pool``.
"""

__version__ = "0.1.0"
"""The version of pyproject.toml, repeated: reading the metadata of the installation takes four
times as long as ``wheelpool --version`` may."""
