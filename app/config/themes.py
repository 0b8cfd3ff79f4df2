"""The names of the colour themes, for flags and completion, which load no screen."""

from __future__ import annotations

from typing import Final

__all__ = ["THEMES"]

THEMES: Final = ("dark", "light", "contrast", "plain")
"""``plain`` uses only the terminal's own foreground and background."""
