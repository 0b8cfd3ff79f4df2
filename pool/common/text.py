"""Command lines of processes, made fit to be shown: no controls, no secrets, not too long."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from pool.common.redaction import STARS, redact_args, redact_urls

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["plain", "shown"]

_LONGEST = 200
_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # ends of lines, directions
    r"\ud800-\udfff]+"  # bytes that are no UTF-8: no journal could take them
)


def shown(words: Sequence[str], longest: int = _LONGEST) -> str:
    """Return a command line for a shell, the values of options that are secrets starred out."""
    return plain(" ".join(map(_quoted, redact_args(words))), longest)


def _quoted(word: str) -> str:
    """Quote a word for a shell, unless only stars for a secret would need it."""
    bare = word.replace(STARS, "x")
    return word if shlex.quote(bare) == bare else shlex.quote(word)


def plain(text: str, longest: int = _LONGEST) -> str:
    """Return text without controls and without credentials in URLs, at most so long."""
    return redact_urls(_CONTROLS.sub(" ", text))[:longest]
