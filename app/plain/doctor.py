"""The command ``wheelpool doctor``: one line for each finding, or all of them as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

import pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pool import Finding

__all__ = ["run_checks", "to_json", "to_lines"]

_GLYPHS = {"ok": "✓", "note": "•", "missing": "✗"}
_ASCII = {"ok": "+", "note": "-", "missing": "x"}


def run_checks(cache_dir: Path, state_dir: Path, environ: Mapping[str, str]) -> list[Finding]:
    """Check the machine; see `pool.Doctor`."""
    return list(pool.Doctor(cache_dir=cache_dir, state_dir=state_dir, environ=environ).findings())


def to_lines(found: Iterable[Finding], *, ascii_only: bool) -> Iterator[str]:
    """Yield a line for each: a glyph, its word, what it is about, what there is to say."""
    glyphs = _ASCII if ascii_only else _GLYPHS
    found = list(found)
    width = max((len(one.what) for one in found), default=0)
    for one in found:
        text = f"{glyphs[one.state]} {one.state:<7}  {one.what:<{width}}  {one.text}"
        yield pool.clean_line(text, longest=4000)


def to_json(found: Iterable[Finding]) -> str:
    """Return an array of objects with ``what``, ``state`` and ``text``."""
    return msgspec.json.format(pool.encode_json(list(found)), indent=2).decode()
