"""Lines of plain output: a word, then what it is about, aligned with the lines above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.text.run_status import split_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pool import events

__all__ = ["Line", "failure_lines", "selection_lines", "word_line"]

_LONGEST_NAME = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: what it is about, and the text."""

    word: str = ""
    """Its first word, which says the kind; empty for lines of logs and such.

    ``log`` and ``log.end`` are around a build's log, ``command`` is for the program that reads on.
    """
    text: str


def word_line(word: str, text: str) -> Line:
    """Return a line that begins with a word, or under one where it is empty."""
    return Line(word=word, text=f"{word:<9} {text}".rstrip())


def failure_lines(message: str, hint: str) -> Iterator[Line]:
    """Yield why something failed, a line for each sentence, and the way out."""
    first, *rest = split_message(message)
    yield word_line("failed", first)
    yield from (word_line("", text) for text in [*rest, hint] if text)


def selection_lines(picked: tuple[events.SelectedVersion, ...]) -> Iterator[Line]:
    """Yield each distribution of a set, who asked for it, and what was not taken, aligned."""
    labels = [f"{one.name} {one.version}" for one in picked]
    width = min(max(map(len, labels), default=0), _LONGEST_NAME)
    for label, one in zip(labels, picked, strict=True):
        # After some versions it may end with how many more there were: that is none itself.
        passed = (text if text.startswith("and ") else f"not {text}" for text in one.passed_over)
        reasons = [*one.by, *passed]
        first, *rest = reasons or [""]
        kind = "kept" if one.kind == "installed" else one.kind
        yield word_line("picked", f"{label:<{width}}  {kind:<6}  {first}")
        for reason in rest:
            yield word_line("", f"{'':<{width}}  {'':<6}  {reason}")
