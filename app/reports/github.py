"""What GitHub's runner reads in a log: folded groups, error annotations, and nothing by accident.

A build's log may have lines in it that the runner would obey (`::add-path::` and the like); they
are shown with its commands stopped, under a token that no build can know. Pure: lines in, lines
out; who writes them, and the job summary, is `app.plain.run`. See "Workflow commands for GitHub
Actions", and ActionCommandManager.cs of actions/runner for what it takes for a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pool
from app.runs.build_log import RULE
from app.text.lines import Line
from app.text.rows import build_title
from app.text.run_status import environment_name
from pool import Outcome, events

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["WorkflowCommands", "error_annotations"]

_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


class WorkflowCommands:
    """Turns the lines of a run into those of a workflow's log.

    Args:
        token: what makes the runner obey again; nobody who can write into a log may know it.
    """

    def __init__(self, token: str) -> None:
        self._stop = Line(word="command", text=f"::stop-commands::{token}")
        self._resume = Line(word="command", text=f"::{token}::")
        self._in_log = False

    def wrap(self, line: Line) -> Iterator[Line]:
        """Yield a line with the commands that belong before and after it."""
        match line.word:
            case "log":
                self._in_log = True
                yield from (_command("group", line.text.strip(f"{RULE} ")), self._stop)
            case "log.end":
                self._in_log = False
                yield from (self._resume, _command("endgroup", ""))
            case "command":
                yield line
            case _ if not self._in_log and _obeyed(line.text):
                yield from (self._stop, line, self._resume)
            case _:
                yield line


def error_annotations(event: events.Event, state: pool.RunState) -> Iterator[Line]:
    """Yield annotations for what went wrong for good; the state has the event in it."""
    match event:
        case events.BuildFinished(outcome=Outcome.FAILED):
            build = state.builds[event.build]
            if build.superseded_by is None:
                yield _error(f"{build_title(build)} failed", event.message, event.hint)
        case events.ResolveFailed():
            yield _error("not resolved", event.message, event.hint)
        case events.EnvironmentFailed():
            where = environment_name(event.environment)
            yield _error(f"not installed into {where}", event.message, event.hint)
        case _:
            return


def _error(title: str, message: str, hint: str) -> Line:
    text = "\n".join(filter(None, (message, hint)))
    return _command(f"error title={title.translate(_PROPERTY)}", text)


def _command(command: str, text: str) -> Line:
    return Line(word="command", text=f"::{command}::{text.translate(_DATA)}")


def _obeyed(text: str) -> bool:
    """Tell whether the runner takes a line for a command; the older form may be anywhere in it."""
    return text.lstrip().startswith("::") or "##[" in text
