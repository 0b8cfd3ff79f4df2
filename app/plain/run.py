"""A run without a screen: lines on stderr, wheel paths or events on stdout, signals as controls.

`app.plain.printer` makes the lines; this module sends them to their streams. If stderr is a
terminal, Rich draws a progress line below them; otherwise Rich is not loaded.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import pool
from app.plain import early_signals
from app.plain.printer import Printer, unfinished_line
from app.runs.crash_report import describe_error, write_traceback
from app.text import terminal_title as title
from app.text.lines import Line, word_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from app.config.display import DisplayOptions
    from app.source.attached import AttachedSource
    from app.source.cached import CachedSession
    from app.source.live import LiveSession
    from app.source.replay import ReplaySource
    from pool import events

__all__ = [
    "continue_after_crash",
    "finish_after_screen",
    "follow_attached",
    "handle_signals",
    "print_parting",
    "print_replay",
    "report_exit_code",
    "run_headless",
]

_TICK_SECONDS = 0.25
"""The interval of the progress line while no event comes."""
_STOP_SECONDS = 0.3
"""The time in which a stopped run ends without a message."""
_STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Outlet(Protocol):
    """The destination of lines."""

    def write(self, line: Line) -> None:
        """Print one line."""
        ...

    def draw(self, state: pool.RunState) -> None:
        """Draw the progress of the run, if the destination has a place for it."""
        ...


class PlainOutlet:
    """Prints lines to a stream whose reader may be gone."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, line: Line) -> None:
        """Print one line; ignore that the reader is gone."""
        if self._stream is not None:
            with suppress(OSError):
                print(line.text, file=self._stream, flush=True)

    def draw(self, state: pool.RunState) -> None:
        """Do nothing: a log cannot overwrite a progress line."""


class _GithubOutlet:
    """Prints lines with workflow commands of GitHub Actions around them."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        from app.reports.github import WorkflowCommands  # noqa: PLC0415 - only on GitHub

        self._commands = WorkflowCommands(os.urandom(16).hex())

    def write(self, line: Line) -> None:
        for one in self._commands.wrap(line):
            self._outlet.write(one)

    def draw(self, state: pool.RunState) -> None:
        self._outlet.draw(state)


class _TitleOutlet:
    """Sets the title of the terminal and rings its bell, for a user who looks at another window."""

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
        with suppress(OSError):  # The terminal is gone; the run continues.
            print(text, end="", file=self._stream, flush=True)

    @contextmanager
    def open(self) -> Iterator[Outlet]:
        if self._title is None:
            yield self
            return
        with title.restore_title(self._put):
            yield self


def run_headless(session: CachedSession | LiveSession, manner: DisplayOptions) -> int:
    """Start a run, print its events until it has ended, and return its exit code."""
    printer = _create_printer(session, manner)

    def end(count: int) -> None:
        session.send(pool.Stop(now=count > 1))

    with _outlet(manner) as outlet, handle_signals(session.send, end):
        # The outlet may replace `sys.stdout`, so it is read here.
        results = _Results(sys.stdout, json=manner.json)
        results.header(session.header)
        session.start()
        _print_until_end(session, printer, outlet, manner, results)
    if manner.job_summary is not None:
        _add_summary(session.journal, manner.job_summary)
    return report_exit_code(session)


def _create_printer(session: CachedSession | LiveSession, manner: DisplayOptions) -> Printer:
    logs = pool.logs_path(session.journal)
    return Printer(manner.verbosity, session.header, logs, timings=manner.timings)


def _print_until_end(
    session: CachedSession | LiveSession,
    printer: Printer,
    outlet: Outlet,
    manner: DisplayOptions,
    results: _Results | None,
) -> None:
    """Print the events of a run until it has ended; a failure of the output does not end it."""
    last = printer.state.seq
    try:
        while not session.exhausted:
            session.wait(_TICK_SECONDS)
            for event in session.poll():
                if event.seq > last:
                    _print_event(event, printer, outlet, manner)
                    if results is not None:
                        results.event(event, printer.state)
            if results is not None:
                results.flush()
            outlet.draw(printer.state)
    except Exception as problem:  # noqa: BLE001 - no error of the output may cancel builds
        _print_crash("the output failed; the run continues without it", problem, session)
    except BaseException:
        session.send(pool.Stop(now=True))
        raise
    finally:
        session.join()


def _print_crash(words: str, problem: Exception, session: CachedSession | LiveSession) -> None:
    """Print one line about an error of the output, which names the file with its traceback."""
    where = write_traceback(problem, pool.logs_path(session.journal) / "screen-traceback.txt")
    with suppress(OSError, ValueError):
        text = f"wheelpool: {words}: {describe_error(problem)} ({where})"
        print(pool.clean_line(text, longest=4000), file=sys.stderr, flush=True)


def _print_event(
    event: events.Event, printer: Printer, outlet: Outlet, manner: DisplayOptions
) -> None:
    for line in printer.print_event(event):
        outlet.write(line)
    if manner.github:
        from app.reports.github import error_annotations  # noqa: PLC0415 - only on GitHub

        for line in error_annotations(event, printer.state):
            outlet.write(line)


def _add_summary(journal: Path, to: Path) -> None:
    """Append the run to the job summary of GitHub Actions; other steps may write to it, too."""
    from app.reports.markdown import render_markdown  # noqa: PLC0415 - only here in a run
    from app.runs.record import read_record  # noqa: PLC0415 - only here in a run

    try:
        with to.open("a", encoding="utf-8", errors="replace") as file:
            file.write(render_markdown(read_record(journal)))
    except (OSError, pool.PoolError) as problem:
        print(f"wheelpool: no job summary: {problem}", file=sys.stderr)


def follow_attached(source: AttachedSource, manner: DisplayOptions) -> int:
    """Print the past and new events of another process's run, until it ends or a signal comes."""
    printer = Printer(manner.verbosity, source.header, pool.logs_path(source.journal))
    detached = False

    def detach(_count: int) -> None:
        nonlocal detached
        detached = True

    with _outlet(manner) as outlet, handle_signals(source.send, detach):
        results = _Results(sys.stdout, json=manner.json)
        results.header(source.header)
        while not source.exhausted and not detached:
            source.wait(_TICK_SECONDS)
            for event in source.poll():
                _print_event(event, printer, outlet, manner)
                results.event(event, printer.state)
            results.flush()
            outlet.draw(printer.state)
    if source.exit_code is None:
        _print_detached(source, printer.state)
    return source.exit_code_on_leave


def print_parting(source: AttachedSource) -> int:
    """Print the result of another process's run, or that it continues, after its screen closed."""
    printer = Printer("normal", source.header, pool.logs_path(source.journal))
    with pool.JournalReader(source.journal) as reader:
        for event in reader.read():
            printer.apply(event)
    if source.exit_code is None:
        _print_detached(source, printer.state)
    else:
        outlet = PlainOutlet(sys.stderr)
        for line in printer.short_summary():
            outlet.write(line)
    return source.exit_code_on_leave


def _print_detached(source: AttachedSource, state: pool.RunState) -> None:
    outlet = PlainOutlet(sys.stderr)
    if source.error is not None:
        outlet.write(word_line("detached", pool.clean_line(source.error)))
    elif source.exhausted:
        outlet.write(unfinished_line(state))
    else:
        command = f"wheelpool attach {source.name}"
        outlet.write(word_line("detached", f"the run continues; reattach with {command}"))


def report_exit_code(session: CachedSession | LiveSession) -> int:
    """Return the exit code of a finished run; print an internal error, if there was one."""
    if session.error is not None:
        print(f"wheelpool: {pool.clean_line(session.error, longest=4000)}", file=sys.stderr)
    return 0 if session.exit_code is None else session.exit_code


def print_replay(source: ReplaySource, manner: DisplayOptions) -> None:
    """Print all events of a saved run at once."""
    printer = Printer(manner.verbosity, source.header, pool.logs_path(source.journal))
    outlet = _with_commands(PlainOutlet(sys.stderr), manner)
    for event in source.rest():
        _print_event(event, printer, outlet, manner)
    if not printer.state.finished:
        outlet.write(unfinished_line(printer.state))
    from app.plain.report import print_missing_logs  # noqa: PLC0415 - a live run needs no reports

    print_missing_logs(printer.state, pool.logs_path(source.journal))


def continue_after_crash(session: LiveSession, problem: Exception, manner: DisplayOptions) -> int:
    """Continue a run whose screen has failed: print its events; return its exit code."""
    printer = _create_printer(session, manner)

    def end(count: int) -> None:
        session.send(pool.Stop(now=count > 1))

    with handle_signals(session.send, end):
        _print_crash("the screen failed; the run continues without it", problem, session)
        try:
            _apply_journal(session, printer)
            with _outlet(manner) as outlet:
                _print_until_end(session, printer, outlet, manner, None)
        except Exception as other:  # noqa: BLE001 - no error of the output may cancel builds
            _print_crash("the output failed; the run continues without it", other, session)
        session.join()
    return report_exit_code(session)


def _apply_journal(session: LiveSession, printer: Printer) -> None:
    """Apply the events so far to a printer without printing them: the screen has shown them."""
    with pool.JournalReader(session.journal) as reader:
        for event in reader.read():
            printer.apply(event)


def finish_after_screen(session: LiveSession, *, timings: bool = False) -> int:
    """Stop a run whose screen has closed, print its result, and return its exit code."""

    def end(_count: int) -> None:
        session.send(pool.Stop(now=True))

    outlet = PlainOutlet(sys.stderr)
    with handle_signals(session.send, end):
        session.send(pool.Stop())
        if not session.join(_STOP_SECONDS):
            outlet.write(Line(text="cancelling running builds; press Ctrl-C to kill them"))
            session.join()
    logs = pool.logs_path(session.journal)
    printer = Printer("normal", session.header, logs, timings=timings)
    try:
        _apply_journal(session, printer)
        for line in printer.short_summary():
            outlet.write(line)
    except Exception as problem:  # noqa: BLE001 - the exit code is the run's
        _print_crash("no summary", problem, session)
    return report_exit_code(session)


class _Results:
    """Prints to stdout: the paths of wheels, or every event as a line of JSON."""

    def __init__(self, stream: TextIO | None, *, json: bool) -> None:
        self._stream = stream
        self._json = json
        self._same_terminal = _is_same_terminal(stream, sys.stderr)
        """Whether the lines of builds, which name the wheels, are printed beside the paths."""

    def header(self, header: pool.events.Header) -> None:
        if self._json:
            self._write(pool.encode_header(header).decode())

    def event(self, event: pool.events.Event, state: pool.RunState) -> None:
        if self._json:
            self._write(pool.encode(event).decode())
        elif isinstance(event, pool.events.BuildFinished) and event.wheel is not None:
            # Wheels that are installed are not kept in the output folder.
            requested = state.environment is None and not state.builds[event.build].nested
            if requested and event.outcome.is_success and not self._same_terminal:
                self._write(event.wheel)

    def _write(self, text: str) -> None:
        if self._stream is not None:
            with self._ignore_lost_reader():
                print(text, file=self._stream)

    def flush(self) -> None:
        if self._stream is not None:
            with self._ignore_lost_reader():
                self._stream.flush()

    @contextmanager
    def _ignore_lost_reader(self) -> Iterator[None]:
        """Stop printing if the reader of stdout is gone; the run continues."""
        try:
            yield
        except BrokenPipeError:
            self._stream = None
        except OSError as problem:
            self._stream = None
            print(f"wheelpool: stdout: {pool.os_error_text(problem)}", file=sys.stderr)


def _is_same_terminal(one: TextIO | None, other: TextIO | None) -> bool:
    try:
        fds = [stream.fileno() for stream in (one, other) if stream is not None]
        return len(fds) == 2 and all(map(os.isatty, fds)) and len(set(map(os.ttyname, fds))) == 1
    except (OSError, ValueError):
        return False


def _with_commands(outlet: Outlet, manner: DisplayOptions) -> Outlet:
    return _GithubOutlet(outlet) if manner.github else outlet


@contextmanager
def _outlet(manner: DisplayOptions) -> Iterator[Outlet]:
    """Open the destination of lines: a terminal with a progress line, or a plain stream."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _with_commands(PlainOutlet(sys.stderr), manner)
        return
    from app.plain.progress_line import TerminalOutlet  # noqa: PLC0415 - rich is loaded only here

    with (
        TerminalOutlet() as outlet,
        _TitleOutlet(outlet, sys.stderr, manner).open() as titled,
    ):
        yield _with_commands(titled, manner)


@contextmanager
def handle_signals(
    send: Callable[[pool.Control], None], end: Callable[[int], None]
) -> Iterator[None]:
    """Let signals change the limit of builds, stop the run, and suspend it with its hooks.

    Args:
        send: called with each change of the limit.
        end: called with the number of stop signals so far; after the second one, the signals have
            their default effect again.
    """
    count = 0

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count > 1:
            for name in _STOP_SIGNALS:
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        end(count)

    def resize(by: int) -> Callable[[int, FrameType | None], None]:
        control = pool.Resize(limit=pool.LimitName.BUILDS, by=by)
        return lambda _number, _frame: send(control)

    handlers = {
        "SIGUSR1": resize(1),
        "SIGUSR2": resize(-1),
        "SIGTSTP": _stop_process,
        **dict.fromkeys(_STOP_SIGNALS, stop),
    }
    before: dict[int, Any] = {}
    for name, handler in handlers.items():
        number = getattr(signal, name)
        # nohup ignores SIGHUP; a script ignores SIGINT for its background jobs.
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    for number in early_signals.take_recorded():
        handlers[signal.Signals(number).name](number, None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_process(_number: int, _frame: FrameType | None) -> None:
    """Stop this process and its hooks until SIGCONT comes; a screen has a handler of its own."""
    with pool.suspended():
        os.kill(os.getpid(), signal.SIGSTOP)
