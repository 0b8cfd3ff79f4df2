"""The command ``wheelpool diff``: two saved runs compared, as lines or as JSON.

Selects and reads two journals, and prints the differences that `app.runs.compare` finds.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

import pool
from app.format import format_count, format_duration, format_size
from app.runs import bundle
from app.runs import store as runs
from app.runs.compare import Side, compare, format_memory_change, format_time_change
from app.runs.record import read_record
from app.text.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.runs.compare import Comparison, Threshold, Totals
    from pool import events

__all__ = [
    "choose_journals",
    "compare_journals",
    "comparison_lines",
    "headline",
    "open_journals",
    "print_lines",
    "to_json",
]

_LONGEST_NAME = 32
_HINT = "name two logs: a file, a run's folder, or the beginning of a run's id"

_WAITS = {"locks": "waiting for locks", "memory": "waiting for memory"}
_STYLES = {
    "failed": "bold red",
    "unfinished": "red",
    "slower": "yellow",
    "memory": "yellow",
    "waited": "yellow",
    "tries": "yellow",
    "outcome": "cyan",
    "version": "cyan",
    "new": "cyan",
    "missing": "cyan",
    "fixed": "green",
    "faster": "green",
    "same": "dim",
    "run": "bold",
}
"""The style of the first word of a line, on terminals."""


def choose_journals(state_dir: Path, named: Sequence[str]) -> tuple[Path, Path]:
    """Return the two journals to compare, the older one first if the user names fewer than two.

    Args:
        state_dir: the folder of saved runs.
        named: no run for the two newest; one run to compare with the newest; or two runs.

    Raises:
        JournalError: there are no such runs.
    """
    if "-" in named:
        raise pool.JournalError("-: a log is not read from stdin", hint=_HINT)
    found = [runs.find_run(state_dir, text) for text in named]
    if len(found) > 1:
        return found[0], found[1]
    if found:
        return found[0], runs.newest_run(state_dir)
    match runs.runs_with_journal(state_dir):
        case [*_, before, newest]:
            return before, newest
        case []:
            raise pool.JournalError("no saved runs yet", hint=_HINT)
        case _:
            raise pool.JournalError("there is only one saved run", hint=_HINT)


@contextmanager
def open_journals(a: Path, b: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the paths of two journals; bundles are unpacked until the block ends."""
    with bundle.open_journal(a) as one, bundle.open_journal(b) as other:
        yield one, other


def compare_journals(a: Path, b: Path, threshold: Threshold) -> tuple[Side, Side, Comparison]:
    """Read two journals and compare the second with the first.

    Raises:
        JournalError: one of them cannot be read.
    """
    one, other = _side(a), _side(b)
    return one, other, compare(one, other, threshold)


def _side(journal: Path) -> Side:
    record = read_record(journal)
    return Side(header=record.header, state=record.state, timeline=record.timeline)


def to_json(a: Side, b: Side, comparison: Comparison) -> str:
    """Return the comparison as JSON; times are seconds, memory is bytes."""
    document = {"a": a.header, "b": b.header, "worse": comparison.worse, "comparison": comparison}
    return msgspec.json.format(pool.encode_json(document), indent=2).decode()


def headline(name: str, header: events.Header, totals: Totals) -> str:
    """Return one line about a run: its id, start, duration and outcomes."""
    try:
        when = f"{datetime.fromisoformat(header.started).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        when = header.started
    outcomes = ", ".join(f"{many} {outcome}" for outcome, many in totals.outcomes.items())
    facts = [header.run, when, format_duration(totals.wall), outcomes or "nothing built"]
    facts += [] if totals.finished else ["the log ends before the run finished"]
    return pool.clean_line(f"{name}  {'  '.join(facts)}", longest=1000)


def comparison_lines(a: Side, b: Side, comparison: Comparison) -> Iterator[Line]:
    """Yield both runs, their differences, the most important first, and the totals."""
    yield Line(word="run", text=headline("A", a.header, comparison.a))
    yield Line(word="run", text=headline("B", b.header, comparison.b))
    yield Line(text="")
    different = [pair for pair in comparison.pairs if pair.changes]
    width = min(_LONGEST_NAME, max((len(pair.title) for pair in different), default=0))
    for pair in different:
        word, name = str(pair.changes[0].kind), pair.title
        for change in pair.changes:
            # Several lines of one build name it once.
            word = str(change.kind)
            yield _clean_line(word, f"{name:<{width}}  {change.text}")
            name = ""
    same = len(comparison.pairs) - len(different)
    if same or not different:
        yield _clean_line("same", f"{format_count(same, 'build')} without notable differences")
    for name, before, after in comparison.around:
        yield _clean_line("around", f"{name} {before} -> {after}")
    yield from _total_lines(comparison.a, comparison.b)


def _total_lines(a: Totals, b: Totals) -> Iterator[Line]:
    """Yield the totals of both runs, one line for each known value."""
    for what, before, after in (
        ("the run", a.wall, b.wall),
        ("builds", a.seconds, b.seconds),
        ("locks", a.locks, b.locks),
        ("memory", a.memory, b.memory),
    ):
        if before or after:
            name = _WAITS.get(what, what)
            change = format_time_change(before, after)
            yield _clean_line(
                "total", f"{name}  {format_duration(before)} -> {format_duration(after)}  {change}"
            )
    if a.peak and b.peak:
        change = format_memory_change(a.peak, b.peak)
        peaks = f"{format_size(a.peak)} -> {format_size(b.peak)}"
        yield _clean_line("total", f"peak  {peaks}  {change}")


def _clean_line(word: str, text: str) -> Line:
    return Line(word=word, text=pool.clean_line(f"{word:<9} {text}".rstrip(), longest=1000))


def print_lines(lines: Iterator[Line]) -> None:
    """Print lines; with colours if stdout is a terminal."""
    from rich.console import Console  # noqa: PLC0415 - --json does not need it
    from rich.text import Text  # noqa: PLC0415 - --json does not need it

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        text = Text(line.text)
        if line.word:
            text.stylize(_STYLES.get(line.word, ""), 0, len(line.word))
        console.print(text)
