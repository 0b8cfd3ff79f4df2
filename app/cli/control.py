"""The commands that control a run of another process: limit, pause, resume, cancel, retry, stop.

They parse the arguments; `app.plain.remote` sends the control and reports its effect. Everything
but click is imported when a command runs.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import click

from app.cli.completion import (
    complete_cancellable_builds,
    complete_limits,
    complete_retriable_builds,
)
from app.cli.help_format import Command
from app.cli.options import with_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pool
    from app.plain.remote import RemoteRun

__all__ = ["CONTROL_COMMANDS"]

_POLL_SECONDS = 0.05
_POLLS = 600
"""A cancelled build may clean up for 30 s before the command stops waiting for its end."""
_LIMIT_EXAMPLES = """\b
Examples:
  wheelpool limit                   show the limits
  wheelpool limit 3                 three concurrent builds
  wheelpool limit jobs 4            or downloads, installs
  wheelpool limit memory 8G         or 50%, auto, off
  wheelpool limit 3 --run 20261121-0312
"""
_PAUSE_EXAMPLES = """\b
Examples:
  wheelpool pause
  wheelpool pause --run 20261121-0312
"""
_RESUME_EXAMPLES = """\b
Examples:
  wheelpool resume
  wheelpool resume --run run.jsonl          a run with --log run.jsonl
"""
_CANCEL_EXAMPLES = """\b
Examples:
  wheelpool cancel numpy
  wheelpool cancel b3 --run 20261121-0312
"""
_RETRY_EXAMPLES = """\b
Examples:
  wheelpool retry numpy
  wheelpool retry numpy==2.4.6 --run 20261121-0312
"""
_STOP_EXAMPLES = """\b
Examples:
  wheelpool stop                  builds may clean up
  wheelpool stop --now
"""


@with_options("limit")
@click.command(cls=Command, epilog=_LIMIT_EXAMPLES)
@click.argument("words", nargs=-1, metavar="[LIMIT] [NUMBER]", shell_complete=complete_limits)
def limit(words: tuple[str, ...], run: str | None) -> None:
    """Show or change the limits of a run.

    LIMIT is builds (the default), downloads, installs, jobs or memory. Lowering a limit stops
    nothing: running builds finish.
    """
    import pool

    names = [name.value for name in pool.LimitName]
    match words:
        case ():
            _control(run, lambda remote: remote.format_limits())
        case (name,) if name in names:
            _control(run, lambda remote: remote.format_limits(pool.LimitName(name)))
        case (name, text) if name in names:
            _set_limit(run, pool.LimitName(name), text)
        case (text,):
            _set_limit(run, pool.LimitName.BUILDS, text)
        case (name, _):
            raise click.UsageError(f"no limit {name!r}; the limits are {', '.join(names)}")
        case _:
            raise click.UsageError("expected at most a limit and a number")


def _set_limit(run: str | None, limit: pool.LimitName, text: str) -> None:
    import pool

    if limit is pool.LimitName.MEMORY:
        value = pool.parse_budget(text) or 0
    elif re.fullmatch("[0-9]{1,9}", text):
        value = int(text)
    else:
        raise pool.SettingsError(f"{limit}: {text!r} is not a number")
    _control(run, lambda remote: remote.resize(limit, value))


@with_options("pause")
@click.command(cls=Command, epilog=_PAUSE_EXAMPLES)
def pause(run: str | None) -> None:
    """Stop starting new builds; running builds finish."""
    _control(run, lambda remote: remote.pause())


@with_options("resume")
@click.command(cls=Command, epilog=_RESUME_EXAMPLES)
def resume(run: str | None) -> None:
    """Start builds again under the limit from before the pause."""
    _control(run, lambda remote: remote.resume())


@with_options("cancel")
@click.command(cls=Command, epilog=_CANCEL_EXAMPLES)
@click.argument("build", shell_complete=complete_cancellable_builds)
def cancel(build: str, run: str | None) -> None:
    """Cancel one build; the others continue.

    BUILD is a name, a name and a version (six==1.17.0), or an id such as b3.
    """
    _control(run, lambda remote: remote.cancel(build, _poll_delays()))


@with_options("retry")
@click.command(cls=Command, epilog=_RETRY_EXAMPLES)
@click.argument("build", shell_complete=complete_retriable_builds)
def retry(build: str, run: str | None) -> None:
    """Retry a build that failed, was cancelled or skipped.

    BUILD is a name, a name and a version (six==1.17.0), or an id such as b3.
    """
    _control(run, lambda remote: remote.retry(build))


@with_options("stop")
@click.command(cls=Command, epilog=_STOP_EXAMPLES)
def stop(now: bool, run: str | None) -> None:  # noqa: FBT001 - click passes it by name
    """Cancel all builds and end the run."""
    _control(run, lambda remote: remote.stop(now=now))


CONTROL_COMMANDS = (limit, pause, resume, cancel, retry, stop)


def _poll_delays() -> Iterator[None]:
    """Sleep on each step; exhausted when the command should stop waiting."""
    for _ in range(_POLLS):
        time.sleep(_POLL_SECONDS)
        yield


def _control(run: str | None, action: Callable[[RemoteRun], Iterable[str]]) -> None:
    """Control the selected run, and print the effect."""
    from app.config.paths import state_dir
    from app.plain.remote import RemoteRun
    from app.runs import store
    from pool import clean_line

    with RemoteRun(store.find_running(state_dir(), run)) as remote:
        for line in action(remote):
            print(clean_line(line, longest=1000))
