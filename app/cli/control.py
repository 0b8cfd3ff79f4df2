"""The commands that change another process's run from a shell, as click has them.

Everything but click is imported inside them.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import click

from app.cli.completion import cancellable, limits, retriable
from app.cli.help_format import Command
from app.cli.options import RUN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pool
    from app.plain.remote import RemoteRun

__all__ = ["COMMANDS"]

_LIMIT_EXAMPLES = """\b
Examples:
  wheelpool limit                   what the caps are
  wheelpool limit 3                 three builds at once
  wheelpool limit jobs 4            downloads, installs as well
  wheelpool limit memory 8G         or 50%, auto, off
  wheelpool limit 3 --run 20261121-0312
"""
_NAP_SECONDS = 0.05
_NAPS = 600
_PAUSE_EXAMPLES = """\b
Examples:
  wheelpool pause
  wheelpool pause --run 20261121-0312
"""
_RESUME_EXAMPLES = """\b
Examples:
  wheelpool resume
  wheelpool resume --run run.jsonl          one with --log run.jsonl
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
  wheelpool stop                  builds may still clean up
  wheelpool stop --now
"""


@click.command(cls=Command, epilog=_LIMIT_EXAMPLES)
@click.argument("words", nargs=-1, metavar="[LIMIT] [NUMBER]", shell_complete=limits)
@RUN
def limit(words: tuple[str, ...], run: str | None) -> None:
    """Show or set a cap of a run that goes on.

    There are builds (meant where none is named), downloads, installs, jobs and memory. A lowered
    cap ends nobody: what runs goes on to its end.
    """
    import pool

    names = [name.value for name in pool.LimitName]
    match words:
        case ():
            _done(run, lambda remote: remote.format_limits())
        case (name,) if name in names:
            _done(run, lambda remote: remote.format_limits(pool.LimitName(name)))
        case (name, text) if name in names:
            _set(run, pool.LimitName(name), text)
        case (text,):
            _set(run, pool.LimitName.BUILDS, text)
        case (name, _):
            raise click.UsageError(f"no limit is called {name!r}: {', '.join(names)}")
        case _:
            raise click.UsageError("a limit and a number are all there is to say")


def _set(run: str | None, limit: pool.LimitName, text: str) -> None:
    import pool

    if limit is pool.LimitName.MEMORY:
        value = pool.budget_of(text) or 0
    elif re.fullmatch("[0-9]{1,9}", text):
        value = int(text)
    else:
        raise pool.SettingsError(f"{limit}: {text!r} is no number")
    _done(run, lambda remote: remote.resize(limit, value))


@click.command(cls=Command, epilog=_PAUSE_EXAMPLES)
@RUN
def pause(run: str | None) -> None:
    """Let no build begin; what runs goes on to its end."""
    _done(run, lambda remote: remote.pause())


@click.command(cls=Command, epilog=_RESUME_EXAMPLES)
@RUN
def resume(run: str | None) -> None:
    """Let builds begin again, under the cap from before the pause."""
    _done(run, lambda remote: remote.resume())


@click.command(cls=Command, epilog=_CANCEL_EXAMPLES)
@click.argument("build", shell_complete=cancellable)
@RUN
def cancel(build: str, run: str | None) -> None:
    """End one build of a run that goes on; the others go on.

    BUILD is a name, a name and a version (six==1.17.0), or an id such as b3.
    """
    _done(run, lambda remote: remote.cancel(build, _naps()))


@click.command(cls=Command, epilog=_RETRY_EXAMPLES)
@click.argument("build", shell_complete=retriable)
@RUN
def retry(build: str, run: str | None) -> None:
    """Build again what failed, was cancelled or skipped.

    BUILD is a name, a name and a version (six==1.17.0), or an id such as b3.
    """
    _done(run, lambda remote: remote.retry(build))


@click.command(cls=Command, epilog=_STOP_EXAMPLES)
@click.option("--now", is_flag=True, help="Kill its processes instead of asking them first.")
@RUN
def stop(now: bool, run: str | None) -> None:  # noqa: FBT001 - click passes it by name
    """End a run: what runs and what waits is cancelled."""
    _done(run, lambda remote: remote.stop(now=now))


COMMANDS = (limit, pause, resume, cancel, retry, stop)


def _naps() -> Iterator[None]:
    for _ in range(_NAPS):
        time.sleep(_NAP_SECONDS)
        yield


def _done(run: str | None, ask: Callable[[RemoteRun], Iterable[str]]) -> None:
    """Ask something of a run, and print what came of it."""
    from app.config.sources import state_dir
    from app.plain.remote import RemoteRun
    from app.runs import store as runs
    from pool import clean_line

    with RemoteRun(runs.find_running(state_dir(), run)) as remote:
        for line in ask(remote):
            print(clean_line(line, longest=1000))
