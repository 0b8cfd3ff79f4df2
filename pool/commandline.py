"""Command lines of processes, made fit to be shown: no controls, no secrets, not too long."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["plain", "shown"]

_LONGEST = 200
_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # ends of lines, directions
    r"\ud800-\udfff]+"  # bytes that are no UTF-8: no journal could take them
)
# Greedy: a password may have an "@" in it that somebody forgot to quote.
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_SECRET = re.compile(r"(?i)(--?[\w-]*(?:password|passwd|token|secret|api-key))(=.*)?", re.DOTALL)


def shown(words: Sequence[str], longest: int = _LONGEST) -> str:
    """Return a command line for a shell, the values of options that are secrets starred out."""
    masked, hide = [], False
    for word in words:
        option = _SECRET.fullmatch(word)
        if option and option[2]:
            masked.append(f"{option[1]}=***")
        else:
            masked.append("***" if hide else shlex.quote(word))
        hide = option is not None and not option[2]
    return plain(" ".join(masked), longest)


def plain(text: str, longest: int = _LONGEST) -> str:
    """Return text without controls and without the userinfo of URLs, at most so long."""
    return _USERINFO.sub("***@", _CONTROLS.sub(" ", text))[:longest]
