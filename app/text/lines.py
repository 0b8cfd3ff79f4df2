"""Lines of plain output: a right-aligned verb, then its text, as in the output of cargo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.text.run_status import split_message
from pool import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pool import events

__all__ = ["VERB_CELLS", "Line", "failure_lines", "selection_lines", "word_line"]

_LONGEST_NAME = 32
VERB_CELLS = 12
"""Cells of the verb and the blank behind it."""


class Line(Record, frozen=True, kw_only=True):
    """One line of output."""

    word: str = ""
    """The kind of line; empty for lines of logs.

    ``log`` and ``log.end`` enclose a build's log; ``command`` is a command for the program that
    reads the output.
    """
    text: str


def word_line(word: str, text: str, *, kind: str | None = None) -> Line:
    """Return a line that starts with a verb; without a verb it is indented like the others.

    Args:
        word: the verb; its first letter becomes a capital one.
        text: the rest of the line.
        kind: the kind of line, if it is not the verb.
    """
    verb = f"{word[:1].upper()}{word[1:]}"
    return Line(word=kind or word, text=f"{verb:>{VERB_CELLS - 1}} {text}".rstrip())


def failure_lines(message: str, hint: str) -> Iterator[Line]:
    """Yield the reason of a failure, one line for each sentence, then the hint."""
    first, *rest = split_message(message)
    yield word_line("failed", first)
    yield from (word_line("", text) for text in [*rest, hint] if text)


def selection_lines(selected: tuple[events.SelectedVersion, ...]) -> Iterator[Line]:
    """Yield each selected version, what requires it, and the versions passed over, aligned."""
    labels = [f"{one.name} {one.version}" for one in selected]
    width = min(max(map(len, labels), default=0), _LONGEST_NAME)
    for label, one in zip(labels, selected, strict=True):
        # The last text may count further versions ("and 3 more"); it names none itself.
        passed = (text if text.startswith("and ") else f"not {text}" for text in one.passed_over)
        first, *rest = [*one.by, *passed] or [""]
        kind = "kept" if one.kind == "installed" else one.kind
        yield word_line("selected", f"{label:<{width}}  {kind:<6}  {first}")
        for reason in rest:
            yield word_line("", f"{'':<{width}}  {'':<6}  {reason}")
