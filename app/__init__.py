"""The faces of wheelpool: command line, headless printer, Textual screens, replay.

They know the engine only through ``import pool``.
"""

__version__ = "0.1.0"
"""Said here once more than in pyproject.toml: asking the installation takes four times as long as
``wheelpool --version`` may."""
