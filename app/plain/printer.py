"""A run in plain lines, as a terminal's scrollback or the log of a CI job keeps them.

Pure words: each event, with the state before and after it, makes lines, so that a replay says
what the live run said. Deliberately without a clock and without colours; the only files it reads
are the logs of failed builds. Quiet where things go well, the whole log where they do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import singledispatchmethod
from pathlib import PurePath
from typing import TYPE_CHECKING

import pool
from app.format import format_count, format_duration, format_size
from app.model.outcomes import requested_builds
from app.runs.build_log import RULE, read_log_lines
from app.text.limits import count_excess, format_limits
from app.text.lines import Line, failure_lines, selection_lines, word_line
from app.text.rows import build_title, describe
from app.text.run_status import environment_name, format_change, format_selection
from app.text.summary import summary_lines
from pool import LimitName, Outcome, Status, WaitFor, events

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.config.display import Verbosity

__all__ = ["Printer", "unfinished_line"]

_LONGEST_NAME = 32
_LONGEST_COMMAND = 80
_LONG_LOG = 40
"""From so many lines on, what matters of a failed build's log is said again below it."""
_LONGEST_LINE = 4000
"""Characters: of our own lines, which have paths in them."""


class Printer:
    """Follows one run from its first event; `lines` is called with each."""

    def __init__(self, verbosity: Verbosity, header: events.Header, logs: Path) -> None:
        self.state = pool.RunState(header=header)
        self._verbosity = verbosity
        self._logs = logs
        self._width = 0
        self._held_up: dict[pool.BuildId | None, str] = {}
        """What was said of builds that wait, until they are said to go on."""
        self._stopping = ""
        """Why the run was last said to stop."""
        self._peak = 0
        self._draining = 0
        """How many builds have to end before no more run than the cap allows."""

    def print_event(self, event: events.Event) -> Iterator[Line]:
        """Fold one event and yield what is to be said about it."""
        self.apply(event)
        yield from map(_cleaned, self._say(event))
        yield from self._drained()

    def _drained(self) -> Iterator[Line]:
        """Say that a lowered cap, or a pause, is what runs at last."""
        before, self._draining = self._draining, count_excess(self.state, LimitName.BUILDS)
        if before and not self._draining and self.state.stopping is None:
            words = f"{'drained':<9} {format_limits(self.state)[LimitName.BUILDS]}"
            yield from self._normal(Line(word="cap", text=words))

    def apply(self, event: events.Event) -> None:
        """Fold one event and say nothing, but remember what the summary will say."""
        pool.apply(self.state, event)
        match event:
            case events.Sample(builds=builds):
                self._peak = max(self._peak, sum(sample.rss for sample in builds))
            case events.BuildQueued(build=build) | events.BuildFinished(build=build):
                label = build_title(self.state.builds[build])
                self._width = max(self._width, min(len(label), _LONGEST_NAME))
            case _:
                pass

    # Lines: a word, a name, and the rest

    def _about(self, word: str, build: pool.BuildId | None, rest: str = "") -> Line:
        if build is None:
            return word_line(word, rest)
        label = build_title(self.state.builds[build])
        return word_line(word, f"{label:<{self._width}}  {rest}")

    def _normal(self, line: Line) -> Iterator[Line]:
        if self._verbosity != "quiet":
            yield line

    def _verbose(self, line: Line) -> Iterator[Line]:
        if self._verbosity == "verbose":
            yield line

    @singledispatchmethod
    def _say(self, _event: events.Event) -> Iterable[Line]:
        return ()

    # The run

    @_say.register
    def _(self, event: events.RunStarted) -> Iterable[Line]:
        header, budget = self.state.header, event.limits.get(pool.LimitName.MEMORY)
        facts = [
            f"wheelpool {header.wheelpool if header else ''}",
            format_count(event.targets, "target"),
            *([f"into {event.environment}"] if event.environment else []),
            *(
                f"{limit} {format_size(cap) if limit is pool.LimitName.MEMORY else cap}"
                for limit, cap in event.limits.items()
            ),
            *([f"memory {format_size(header.host.memory)}"] if header and not budget else []),
            f"logs {event.logs}",
        ]
        yield from self._normal(Line(word="wheelpool", text="  ".join(facts)))

    @_say.register
    def _(self, event: events.RunStopping) -> Iterable[Line]:
        left = sum(build.status is not Status.DONE for build in self.state.builds.values())
        if self._stopping == event.why == "fail-fast":
            return
        how = "ended at once" if self._stopping == event.why else "being ended"
        self._stopping = event.why
        text = f"{event.why}: {format_count(left, 'build')} {how}"
        yield from self._normal(word_line("stopping", text))

    @_say.register
    def _(self, event: events.LimitChanged) -> Iterable[Line]:
        match event:
            case events.LimitChanged(limit=LimitName.MEMORY, new=0):
                text = f"{'memory':<9} no budget"
            case events.LimitChanged(limit=LimitName.MEMORY):
                before = format_size(event.old) if event.old else "none"
                text = f"{'memory':<9} budget {before} -> {format_size(event.new)}  {event.why}"
            case events.LimitChanged(new=0):
                running = len(self.state.slots)
                text = f"{'paused':<9} {event.limit}: {running} finishing, nothing more begins"
            case events.LimitChanged(old=0):
                text = f"{'resumed':<9} {event.limit} {event.new}"
            case _:
                text = f"{'cap':<9} {event.limit} {event.old} -> {event.new}  {event.why}"
                if left := count_excess(self.state, event.limit):
                    text += f", {left} to end first"
        yield from self._normal(Line(word="cap", text=text))

    @_say.register
    def _(self, event: events.RunFinished) -> Iterable[Line]:
        yield from self._summary()

    # Builds

    @_say.register
    def _(self, event: events.BuildQueued) -> Iterable[Line]:
        before = event.retry_of and self.state.builds[event.retry_of]
        if before and before.status is not Status.DONE:
            return  # An automatic try, announced as the one before ends: a note follows.
        if before:
            yield from self._normal(self._about("again", event.build))
        elif event.needed_by:
            for_ = ", ".join(build_title(self.state.builds[build]) for build in event.needed_by)
            yield from self._normal(self._about("queued", event.build, f"needed by {for_}"))
        else:
            yield from self._verbose(self._about("queued", event.build, event.origin))

    @_say.register
    def _(self, event: events.BuildWaiting) -> Iterable[Line]:
        match event.for_:
            case WaitFor.DEPENDENCY | WaitFor.MEMORY:
                told = describe(self.state.builds[event.build], self.state, event.t)
                yield from self._waits(told.word, event.build, event.on, told.detail)
            case WaitFor.DOWNLOAD:
                yield from self._verbose(self._about("fetching", event.build, event.on))
            case WaitFor.LOCK | WaitFor.SLOT | WaitFor.PAUSED:
                # A lock's line comes with its holder; the others are said by the header.
                return

    @_say.register
    def _(self, event: events.LockWaiting) -> Iterable[Line]:
        holder = _holder(event.holder)
        env = environment_name(event.lock)
        why = f"{env}  {holder}" if event.build is None else f"{holder}  {event.lock}"
        yield from self._waits("locked", event.build, why, why)

    def _waits(
        self, word: str, build: pool.BuildId | None, why: str, detail: str
    ) -> Iterator[Line]:
        """Say why a build waits, but not again if nothing has happened to it meanwhile."""
        line = self._about(word, build, detail)
        if self._held_up.get(build) != why:
            self._held_up[build] = why
            yield from self._normal(line)

    @_say.register
    def _(self, event: events.BuildStarted) -> Iterable[Line]:
        build = self.state.builds[event.build]
        line = self._about("building", event.build)
        if build.started_at == event.t or event.build in self._held_up:
            self._held_up.pop(event.build, None)
            yield from self._normal(line)
        else:
            yield from self._verbose(line)

    @_say.register
    def _(self, event: events.BuildPhase) -> Iterable[Line]:
        yield from self._verbose(self._about("phase", event.build, event.phase))

    @_say.register
    def _(self, event: events.BuildRequirementsResolved) -> Iterable[Line]:
        chosen = ", ".join(event.requirements) or "nothing"
        yield from self._verbose(self._about("chose", event.build, chosen))

    @_say.register
    def _(self, event: events.LockAcquired) -> Iterable[Line]:
        if event.build is None:
            self._held_up.pop(None, None)
        yield from self._verbose(self._about("has", event.build, f"the lock of {event.lock}"))

    @_say.register
    def _(self, event: events.LockReleased) -> Iterable[Line]:
        yield from self._verbose(self._about("left", event.build, f"the lock of {event.lock}"))

    @_say.register
    def _(self, event: events.DownloadFinished) -> Iterable[Line]:
        how = format_size(event.bytes) if event.ok else "could not be had"
        yield from self._verbose(self._about("download", event.build, f"{event.file}  {how}"))

    @_say.register
    def _(self, event: events.BuildFinished) -> Iterable[Line]:
        build = self.state.builds[event.build]
        line = self._about(event.outcome, event.build, "  ".join(self._facts(build)))
        if event.outcome is Outcome.FAILED and build.superseded_by is None:
            yield line
            yield from self._failure(build)
        else:
            yield from self._normal(line)

    def _facts(self, build: pool.BuildState) -> Iterator[str]:
        """Yield what is to be said of a build that has ended."""
        if build.started_at is not None:
            yield format_duration(build.seconds)
        if build.peak:
            yield f"peak {format_size(build.peak)}"
        if build.wheel:
            wheel = PurePath(build.wheel).name
            # What is installed is not left in a folder for the user.
            folder = PurePath(self.state.out_dir).name if self.state.environment is None else ""
            yield str(PurePath(folder, wheel))
            if build.outcome is Outcome.FETCHED and build.wheel_bytes:
                yield format_size(build.wheel_bytes)
        if build.message:
            yield build.message

    def _failure(self, build: pool.BuildState) -> Iterator[Line]:
        if build.hint:
            yield word_line("", build.hint)
        log = self._logs / build.log
        if build.lines or log.is_file():
            yield Line(word="log", text=f"{RULE} {build.label}: the log {RULE}")
            shown = list(read_log_lines(log))
            yield from (Line(text=line) for line in shown)
            yield Line(word="log.end", text=f"{RULE} {build.label}: end of the log {RULE}")
            yield from _what_matters(shown)
        if build.rerun:
            yield Line(text=f"run it again by hand: {build.rerun}")

    # What is around the builds

    @_say.register
    def _(self, event: events.Note) -> Iterable[Line]:
        yield from self._normal(self._about("note", event.build, event.text))

    @_say.register
    def _(self, event: events.ResolveStarted) -> Iterable[Line]:
        asked = format_count(len(event.requirements), "requirement")
        yield from self._normal(word_line("resolving", asked))

    @_say.register
    def _(self, event: events.ResolveFinished) -> Iterable[Line]:
        yield from self._normal(word_line("resolved", format_selection(event.picked)))
        if self._verbosity == "verbose":
            yield from selection_lines(event.picked)

    @_say.register
    def _(self, event: events.ResolveFailed) -> Iterable[Line]:
        yield from failure_lines(event.message, event.hint)

    @_say.register
    def _(self, event: events.EnvironmentChanged) -> Iterable[Line]:
        for one in event.changes:
            word = "removed" if one.new is None else "installed"
            yield from self._normal(word_line(word, format_change(one)))
        if event.locked:
            held = f"the lock of {event.environment} for {format_duration(event.locked)}"
            yield from self._verbose(word_line("held", held))

    @_say.register
    def _(self, event: events.EnvironmentFailed) -> Iterable[Line]:
        yield from failure_lines(
            f"{environment_name(event.environment)}: {event.message}", event.hint
        )

    # The end

    def short_summary(self) -> Iterator[Line]:
        """Yield how it went, for who has seen no line of it: instead of logs, where they are."""
        asked = requested_builds(self.state)
        for remark in self.state.notes:
            yield _cleaned(word_line("note", remark))
        for build in filter(_worth_a_row, asked):
            yield _cleaned(self._row(build))
            if build.outcome is Outcome.FAILED:
                for text in filter(None, (build.hint, f"log {self._logs / build.log}")):
                    yield _cleaned(word_line("", text))
        yield from map(_cleaned, summary_lines(self.state, self._peak))

    def _summary(self) -> Iterator[Line]:
        """Yield the table of all that was asked for, bad news last, and the sum."""
        asked = requested_builds(self.state)
        if len(asked) > 1:
            yield Line(text="")
            quiet = self._verbosity == "quiet"
            shown = [build for build in asked if not quiet or build.outcome is Outcome.FAILED]
            yield from map(self._row, filter(_worth_a_row, shown))
        yield from summary_lines(self.state, self._peak)

    def _row(self, build: pool.BuildState) -> Line:
        word = build.outcome or "unfinished"
        return self._about(word, build.id, "  ".join(self._facts(build)))


def unfinished_line(state: pool.RunState) -> Line:
    """Return what is said of a log that has no end."""
    return Line(text=f"the log ends here, after {format_duration(state.now)}, before the run did")


def _what_matters(log: Sequence[str]) -> Iterator[Line]:
    """Yield again what matters of a log that is longer than a screen."""
    if len(log) > _LONG_LOG and (found := pool.diagnose(log)) is not None:
        yield Line(text="what matters of it:")
        yield from (Line(text=f"  {line}") for _, line in found.lines if line)


def _worth_a_row(build: pool.BuildState) -> bool:
    """Leave out what was just taken as it is: there may be hundreds, and nothing to tell."""
    return build.outcome is not Outcome.FETCHED


def _cleaned(line: Line) -> Line:
    return replace(line, text=pool.clean_line(line.text, longest=_LONGEST_LINE))


def _holder(holder: pool.Holder | None) -> str:
    match holder:
        case pool.Holder(pid=int(pid), command=command):
            return f'by pid {pid} "{pool.clean_line(command, longest=_LONGEST_COMMAND)}"'
        case _:
            return "by another process"
