"""The names of the themes, known before any screen is: flags and shells ask for them."""

from __future__ import annotations

from typing import Final

__all__ = ["THEMES"]

THEMES: Final = ("dark", "light", "contrast", "plain")
"""``plain`` has the terminal's own two colours and no others."""
