"""A run without a screen: lines on stderr, wheel paths or events on stdout, signals for keys.

What is said comes from `app.plain.printer`; here is who is told, and when. Where stderr is a terminal
one more line, drawn by Rich, follows the progress below the others; Rich is not loaded otherwise.
"""

from __future__ import annotations

import secrets
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import pool
from app.plain.printer import Printer, unfinished_line
from app.reports.github import WorkflowCommands, error_annotations
from app.text import terminal_title as title
from app.text.lines import Line, word_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from app.config.display import DisplayOptions
    from app.source.attached import AttachedSource
    from app.source.live import LiveSession
    from app.source.replay import ReplaySource
    from pool import events

__all__ = [
    "finish_after_screen",
    "follow_attached",
    "handle_signals",
    "print_parting",
    "print_replay",
    "report_exit_code",
    "run_headless",
]

_TICK_SECONDS = 0.25
"""How often the progress line is drawn while nothing happens."""
_PATIENCE_SECONDS = 0.3
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


class Outlet(Protocol):
    """Where lines go."""

    def write(self, line: Line) -> None:
        """Show one line."""
        ...

    def draw(self, state: pool.RunState) -> None:
        """Show how far the run is, where there is a place for that."""
        ...


class PlainOutlet:
    """Lines to a stream that may have lost its reader."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        utf8 = stream is not None and "utf" in (stream.encoding or "").lower()
        self._plain = {} if utf8 else {ord("┄"): "-", ord("…"): "..."}

    def write(self, line: Line) -> None:
        """Write one line; where that does not work, there is nobody to tell."""
        if self._stream is not None:
            with suppress(OSError):
                print(line.text.translate(self._plain), file=self._stream, flush=True)

    def draw(self, state: pool.RunState) -> None:
        """Do nothing: a log is no place for what is overwritten."""


class _GithubOutlet:
    """Lines that GitHub's runner reads along, with its commands around them."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._commands = WorkflowCommands(secrets.token_hex(16))

    def write(self, line: Line) -> None:
        for one in self._commands.wrap(line):
            self._outlet.write(one)

    def draw(self, state: pool.RunState) -> None:
        self._outlet.draw(state)


class _AnnouncingOutlet:
    """Tells those who look at another window, too: the title of this one, and a bell."""

    def __init__(self, outlet: Outlet, stream: TextIO, manner: DisplayOptions) -> None:
        self._outlet = outlet
        self._stream = stream
        self._title = title.TerminalTitle(self._put) if manner.title else None
        self._bell = manner.bell

    def write(self, line: Line) -> None:
        self._outlet.write(line)

    def draw(self, state: pool.RunState) -> None:
        self._outlet.draw(state)
        if self._title is not None:
            self._title.update(state)
        if self._bell and state.finished:
            self._bell = False
            self._put(title.BELL)

    def _put(self, text: str) -> None:
        with suppress(OSError):  # The terminal is gone: the run goes on.
            print(text, end="", file=self._stream, flush=True)

    @contextmanager
    def open(self) -> Iterator[Outlet]:
        if self._title is None:
            yield self
            return
        with title.restore_title(self._put):
            yield self


def run_headless(session: LiveSession, manner: DisplayOptions) -> int:
    """Start a run, tell what happens until it has ended, and return its exit code."""
    printer = Printer(manner.verbosity, session.header, pool.logs_path(session.journal))

    def end(asked: int) -> None:
        session.send(pool.Stop(now=asked > 1))

    with _outlet(manner) as outlet, handle_signals(session.send, end):
        # Not before: the outlet may put a stdout of its own in place of the terminal.
        results = _Results(sys.stdout, json=manner.json)
        results.header(session.header)
        session.start()
        try:
            while not session.done:
                session.wait(_TICK_SECONDS)
                for event in session.poll():
                    _tell(event, printer, outlet, manner)
                    results.event(event, printer.state)
                results.flush()
                outlet.draw(printer.state)
        finally:
            session.send(pool.Stop(now=True))
            session.join()
    if manner.job_summary is not None:
        _add_summary(session.journal, manner.job_summary)
    return report_exit_code(session)


def _tell(event: events.Event, printer: Printer, outlet: Outlet, manner: DisplayOptions) -> None:
    for line in printer.print_event(event):
        outlet.write(line)
    if manner.github:
        for line in error_annotations(event, printer.state):
            outlet.write(line)


def _add_summary(journal: Path, to: Path) -> None:
    """Add the run to the summary of GitHub's job, which other steps may have begun."""
    from app.reports.markdown import render_markdown  # noqa: PLC0415 - only here in a run
    from app.runs.record import read_record  # noqa: PLC0415 - only here in a run

    try:
        with to.open("a", encoding="utf-8") as file:
            file.write(render_markdown(read_record(journal)))
    except (OSError, pool.PoolError) as problem:
        print(f"wheelpool: no job summary: {problem}", file=sys.stderr)


def follow_attached(source: AttachedSource, manner: DisplayOptions) -> int:
    """Tell what has happened and happens in another process's run, until it ends or we leave."""
    printer = Printer(manner.verbosity, source.header, pool.logs_path(source.journal))
    left = False

    def leave(_asked: int) -> None:
        nonlocal left
        left = True

    with _outlet(manner) as outlet, handle_signals(source.send, leave):
        results = _Results(sys.stdout, json=manner.json)
        results.header(source.header)
        while not source.done and not left:
            source.wait(_TICK_SECONDS)
            for event in source.poll():
                _tell(event, printer, outlet, manner)
                results.event(event, printer.state)
            results.flush()
            outlet.draw(printer.state)
    if source.exit_code is None:
        _say_parting(source, printer.state)
    return source.exit_code_on_leave


def print_parting(source: AttachedSource) -> int:
    """Say, once its screen has closed, how another process's run went, or that it goes on."""
    printer = Printer("normal", source.header, pool.logs_path(source.journal))
    with pool.JournalReader(source.journal) as reader:
        for event in reader.read():
            printer.apply(event)
    if source.exit_code is None:
        _say_parting(source, printer.state)
    else:
        outlet = PlainOutlet(sys.stderr)
        for line in printer.short_summary():
            outlet.write(line)
    return source.exit_code_on_leave


def _say_parting(source: AttachedSource, state: pool.RunState) -> None:
    outlet = PlainOutlet(sys.stderr)
    if source.error is not None:
        outlet.write(word_line("detached", pool.clean_line(source.error)))
    elif source.done:
        outlet.write(unfinished_line(state))
    else:
        back = f"wheelpool attach {source.name} comes back"
        outlet.write(word_line("detached", f"the run goes on; {back}"))


def report_exit_code(session: LiveSession) -> int:
    """Return the exit code of a run that has ended; tell it if the engine broke."""
    if session.error is not None:
        print(f"wheelpool: {pool.clean_line(session.error, longest=4000)}", file=sys.stderr)
    return 0 if session.exit_code is None else session.exit_code


def print_replay(source: ReplaySource, manner: DisplayOptions) -> None:
    """Say all of a saved run at once."""
    printer = Printer(manner.verbosity, source.header, pool.logs_path(source.journal))
    outlet = _reading_along(PlainOutlet(sys.stderr), manner)
    for event in source.rest():
        _tell(event, printer, outlet, manner)
    if not printer.state.finished:
        outlet.write(unfinished_line(printer.state))
    from app.plain.report import print_missing_logs  # noqa: PLC0415 - a live run needs no reports

    print_missing_logs(printer.state, pool.logs_path(source.journal))


def finish_after_screen(session: LiveSession) -> int:
    """End a run whose screen has closed, say how it went, and return its exit code."""

    def end(_asked: int) -> None:
        session.send(pool.Stop(now=True))

    outlet = PlainOutlet(sys.stderr)
    with handle_signals(session.send, end):
        session.send(pool.Stop())
        if not session.join(_PATIENCE_SECONDS):
            outlet.write(Line(text="ending the builds that run; Ctrl-C ends them at once"))
            session.join()
    printer = Printer("normal", session.header, pool.logs_path(session.journal))
    with pool.JournalReader(session.journal) as reader:
        for event in reader.read():
            printer.apply(event)
    for line in printer.short_summary():
        outlet.write(line)
    return report_exit_code(session)


class _Results:
    """What stdout gets: the paths of wheels, or every event as a line of JSON."""

    def __init__(self, stream: TextIO | None, *, json: bool) -> None:
        self._stream = stream
        self._json = json

    def header(self, header: pool.events.Header) -> None:
        if self._json:
            self._write(pool.encode_header(header).decode())

    def event(self, event: pool.events.Event, state: pool.RunState) -> None:
        if self._json:
            self._write(pool.encode(event).decode())
        elif isinstance(event, pool.events.BuildFinished) and event.wheel is not None:
            # What is installed is not left in a folder for the user.
            asked_for = state.environment is None and not state.builds[event.build].nested
            if asked_for and event.outcome.good:
                self._write(event.wheel)

    def _write(self, text: str) -> None:
        if self._stream is not None:
            with self._unless_deaf():
                print(text, file=self._stream)

    def flush(self) -> None:
        if self._stream is not None:
            with self._unless_deaf():
                self._stream.flush()

    @contextmanager
    def _unless_deaf(self) -> Iterator[None]:
        """The run goes on when nobody reads any more: its wheels are the point."""
        try:
            yield
        except BrokenPipeError:
            self._stream = None
        except OSError as problem:
            self._stream = None
            print(f"wheelpool: stdout: {pool.os_error_text(problem)}", file=sys.stderr)


def _reading_along(outlet: Outlet, manner: DisplayOptions) -> Outlet:
    return _GithubOutlet(outlet) if manner.github else outlet


@contextmanager
def _outlet(manner: DisplayOptions) -> Iterator[Outlet]:
    """Open what lines go to: a terminal with a progress line, or a plain stream."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _reading_along(PlainOutlet(sys.stderr), manner)
        return
    from app.plain.progress_line import TerminalOutlet  # noqa: PLC0415 - rich is loaded only here

    with (
        TerminalOutlet() as outlet,
        _AnnouncingOutlet(outlet, sys.stderr, manner).open() as announcing,
    ):
        yield _reading_along(announcing, manner)


@contextmanager
def handle_signals(
    send: Callable[[pool.Control], None], end: Callable[[int], None]
) -> Iterator[None]:
    """Let signals move the builds cap and ask for the end.

    Args:
        send: gets the changes of the cap.
        end: called with how often the end was asked for; after the second time, the signals have
            their usual effect again.
    """
    asked = 0

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            for name in _ENDING:
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        end(asked)

    def resize(by: int) -> Callable[[int, FrameType | None], None]:
        control = pool.Resize(limit=pool.LimitName.BUILDS, by=by)
        return lambda _number, _frame: send(control)

    handlers = {"SIGUSR1": resize(1), "SIGUSR2": resize(-1), **dict.fromkeys(_ENDING, ask)}
    before: dict[int, Any] = {}
    for name, handler in handlers.items():
        number = getattr(signal, name)
        # A nohup'ed run has SIGHUP ignored, and a background one in a script SIGINT.
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
