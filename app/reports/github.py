"""Workflow commands for GitHub Actions: groups for logs, annotations for errors.

A build's log may contain lines that the runner would execute (`::add-path::` and the like). They
are printed while commands are stopped, under a token that no build knows. Pure: lines in, lines
out; `app.plain.run` prints them, and the job summary. See "Workflow commands for GitHub Actions",
and ActionCommandManager.cs of actions/runner for the syntax of commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pool
from app.runs.build_log import RULE
from app.text.failure import log_name
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
    """Adds workflow commands to the lines of a run.

    Args:
        token: the token that resumes commands; it must be unknown to builds.
    """

    def __init__(self, token: str) -> None:
        self._stop = Line(word="command", text=f"::stop-commands::{token}")
        self._resume = Line(word="command", text=f"::{token}::")
        self._in_log = False

    def wrap(self, line: Line) -> Iterator[Line]:
        """Yield a line with the commands before and after it."""
        match line.word:
            case "log":
                self._in_log = True
                yield from (_command("group", line.text.strip(f"{RULE} ")), self._stop)
            case "log.end":
                self._in_log = False
                yield from (self._resume, _command("endgroup", ""))
            case "command":
                yield line
            case _ if not self._in_log and _is_command(line.text):
                yield from (self._stop, line, self._resume)
            case _:
                yield line


def error_annotations(event: events.Event, state: pool.RunState) -> Iterator[Line]:
    """Yield annotations for failures without a retry; the event is applied to the state."""
    match event:
        case events.BuildFinished(outcome=Outcome.FAILED):
            build = state.builds[event.build]
            if build.superseded_by is None:
                log = log_name(build, state)
                yield _error(
                    f"{build_title(build)} failed",
                    event.message,
                    event.hint,
                    *([f"log: {log}"] if log else []),
                    *([f"rerun: {build.rerun}"] if build.rerun else []),
                )
        case events.ResolveFailed():
            yield _error("not resolved", event.message, event.hint)
        case events.EnvironmentFailed():
            where = environment_name(event.environment)
            yield _error(f"not installed into {where}", event.message, event.hint)
        case _:
            return


def _error(title: str, message: str, hint: str, *more: str) -> Line:
    text = "\n".join(filter(None, (message, f"fix: {hint}" if hint else "", *more)))
    return _command(f"error title={title.translate(_PROPERTY)}", text)


def _command(command: str, text: str) -> Line:
    return Line(word="command", text=f"::{command}::{text.translate(_DATA)}")


def _is_command(text: str) -> bool:
    """Return whether the runner executes a line; the older form may be anywhere in it."""
    return text.lstrip().startswith("::") or "##[" in text
