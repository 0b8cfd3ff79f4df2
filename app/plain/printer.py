"""Prints a run as plain lines, for the scrollback of a terminal or the log of a CI job.

Each event, with the state after it, makes lines, so a replay prints the lines of the live run. It
has no clock and no colours; the only files that it reads are logs of failed builds. Builds that
succeed get one line, builds that fail their whole log.
"""

from __future__ import annotations

from functools import singledispatchmethod
from pathlib import PurePath
from typing import TYPE_CHECKING

from msgspec.structs import replace

import pool
from app.format import format_count, format_duration, format_size
from app.model.outcomes import requested_builds
from app.runs.build_log import RULE, read_log_lines
from app.text.failure import log_name
from app.text.holder import format_holder
from app.text.limits import count_excess, format_limits
from app.text.lines import VERB_CELLS, Line, failure_lines, selection_lines, word_line
from app.text.rows import build_title, describe
from app.text.run_status import environment_name, format_change, format_selection
from app.text.summary import summary_lines
from pool import LimitName, Outcome, Phase, Status, WaitFor, events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from app.config.display import Verbosity
    from app.model.timings.timings import TimingsRecorder

__all__ = ["Printer", "unfinished_line"]

_MAIN_PHASES = {"wheel": Phase.BUILD, "editable": Phase.BUILD, "metadata": Phase.METADATA}
"""The phase in which a build makes its product, by purpose; it keeps its slot from then on."""
_MAIN_LIMITS = (LimitName.BUILDS, LimitName.JOBS, LimitName.MEMORY)
"""The limits that the first line names; others only if it is verbose."""
_LONGEST_COMMAND = 80
_LONG_LOG = 40
"""From this number of lines on, the relevant lines of a log are repeated below it."""
_LONGEST_LINE = 4000
"""Characters of a line other than a log's; it may contain paths."""


class Printer:
    """The printer of one run; `print_event` is called with each event from the first one on.

    Args:
        verbosity: how much to print.
        header: the first line of the journal.
        logs: the folder of the builds' logs.
        timings: whether timings follow the summary.
    """

    def __init__(
        self, verbosity: Verbosity, header: events.Header, logs: Path, *, timings: bool = False
    ) -> None:
        self.state = pool.RunState(header=header)
        self._verbosity = verbosity
        self._logs = logs
        self._recorder = _create_recorder() if timings else None
        self._wait_reasons: dict[pool.BuildId | None, str] = {}
        """The printed reasons of builds that wait, until the line that they continue."""
        self._building = set[pool.BuildId]()
        """The builds whose line ``building`` has no end yet; each holds a slot."""
        self._stopping = ""
        """The printed reason why the run stops."""
        self._peak = 0
        self._excess = 0
        """The number of builds that have to finish before no more run than the limit allows."""

    def print_event(self, event: events.Event) -> Iterator[Line]:
        """Apply one event and yield its lines."""
        self.apply(event)
        yield from map(_clean, self._event_lines(event))
        yield from self._drained_limit()

    def _drained_limit(self) -> Iterator[Line]:
        """Yield a line once no more builds run than a lowered limit, or a pause, allows."""
        before, self._excess = self._excess, count_excess(self.state, LimitName.BUILDS)
        if before and not self._excess and self.state.stopping is None:
            use = format_limits(self.state)[LimitName.BUILDS]
            yield from self._normal(word_line("drained", use, kind="cap"))

    def apply(self, event: events.Event) -> None:
        """Apply one event without printing it; the summary counts it."""
        pool.apply(self.state, event)
        if self._recorder is not None:
            self._recorder.record(event, self.state)
        match event:
            case events.Sample(builds=builds):
                self._peak = max(self._peak, sum(sample.rss for sample in builds))
            case _:
                pass

    # Lines: a verb, the name of a build, facts

    def _build_line(self, word: str, build: pool.BuildId | None, *facts: str) -> Line:
        label = "" if build is None else build_title(self.state.builds[build])
        return word_line(word, " · ".join(filter(None, (label, *facts))))

    def _normal(self, line: Line) -> Iterator[Line]:
        if self._verbosity != "quiet":
            yield line

    def _verbose(self, line: Line) -> Iterator[Line]:
        if self._verbosity == "verbose":
            yield line

    @singledispatchmethod
    def _event_lines(self, _event: events.Event) -> Iterable[Line]:
        return ()

    # The run

    @_event_lines.register(events.RunStarted)
    def _(self, event: events.RunStarted) -> Iterable[Line]:
        header, budget = self.state.header, event.limits.get(pool.LimitName.MEMORY)
        verbose = self._verbosity == "verbose"
        facts = [
            format_count(event.targets, "target"),
            *([f"into {event.environment}"] if event.environment else []),
            *(
                f"{limit} {format_size(cap) if limit is LimitName.MEMORY else cap}"
                for limit, cap in event.limits.items()
                if verbose or limit in _MAIN_LIMITS
            ),
            *([f"memory {format_size(header.host.memory)}"] if header and not budget else []),
            *([f"logs {event.logs}"] if verbose else []),
        ]
        version = header.wheelpool if header else ""
        # Not a verb: the name has no capital letter.
        text = f"{'wheelpool':>{VERB_CELLS - 1}} {version}  {' · '.join(facts)}"
        yield from self._normal(Line(word="wheelpool", text=text))

    @_event_lines.register(events.RunStopping)
    def _(self, event: events.RunStopping) -> Iterable[Line]:
        left = sum(build.status is not Status.DONE for build in self.state.builds.values())
        if self._stopping == event.why == "fail-fast":
            return
        verb = "killing" if self._stopping == event.why else "cancelling"
        self._stopping = event.why
        text = f"{event.why}: {verb} {format_count(left, 'build')}"
        yield from self._normal(word_line("stopping", text))

    @_event_lines.register(events.LimitChanged)
    def _(self, event: events.LimitChanged) -> Iterable[Line]:
        match event:
            case events.LimitChanged(limit=LimitName.MEMORY, new=0):
                verb, text = "limit", "memory · no budget"
            case events.LimitChanged(limit=LimitName.MEMORY):
                before = format_size(event.old) if event.old else "none"
                verb, text = "limit", f"memory {before} -> {format_size(event.new)} · {event.why}"
            case events.LimitChanged(new=0):
                running = len(self.state.slots)
                verb, text = "paused", f"{event.limit} · {running} finishing, no new ones start"
            case events.LimitChanged(old=0):
                verb, text = "resumed", f"{event.limit} {event.new}"
            case _:
                verb, text = "limit", f"{event.limit} {event.old} -> {event.new} · {event.why}"
                if left := count_excess(self.state, event.limit):
                    text += f", {left} to finish first"
        yield from self._normal(word_line(verb, text, kind="cap"))

    @_event_lines.register(events.RunFinished)
    def _(self, event: events.RunFinished) -> Iterable[Line]:
        yield from self._summary()

    # Builds

    @_event_lines.register(events.BuildQueued)
    def _(self, event: events.BuildQueued) -> Iterable[Line]:
        before = event.retry_of and self.state.builds[event.retry_of]
        if before and before.status is not Status.DONE:
            return  # An automatic retry is queued before the failed attempt ends; a note follows.
        if before:
            yield from self._normal(self._build_line("retry", event.build))
        elif event.needed_by:
            for_ = ", ".join(build_title(self.state.builds[build]) for build in event.needed_by)
            yield from self._normal(self._build_line("queued", event.build, f"needed by {for_}"))
        else:
            yield from self._verbose(self._build_line("queued", event.build, event.origin))

    @_event_lines.register(events.BuildWaiting)
    def _(self, event: events.BuildWaiting) -> Iterable[Line]:
        if event.build in self._building:
            # It has given its slot back: the lines show no more builds than run.
            self._building.discard(event.build)
            yield from self._normal(self._build_line("waiting", event.build, "to build again"))
        match event.for_:
            case WaitFor.DEPENDENCY | WaitFor.MEMORY:
                text = describe(self.state.builds[event.build], self.state, event.t)
                yield from self._wait_line(text.word, event.build, event.on, text.detail)
            case WaitFor.DOWNLOAD:
                yield from self._verbose(self._build_line("fetching", event.build, event.on))
            case WaitFor.LOCK | WaitFor.SLOT | WaitFor.PAUSED:
                # `LockWaiting` names the holder of a lock; the other waits need no line.
                return

    @_event_lines.register(events.LockWaiting)
    def _(self, event: events.LockWaiting) -> Iterable[Line]:
        holder = format_holder(_clean_command(event.holder))
        env = environment_name(event.lock)
        why = f"{env} · {holder}" if event.build is None else f"{holder} · {event.lock}"
        yield from self._wait_line("locked", event.build, why, why)

    def _wait_line(
        self, word: str, build: pool.BuildId | None, why: str, detail: str
    ) -> Iterator[Line]:
        """Yield why a build waits, unless the same reason was printed last."""
        line = self._build_line(word, build, detail)
        if self._wait_reasons.get(build) != why:
            self._wait_reasons[build] = why
            yield from self._normal(line)

    @_event_lines.register(events.BuildStarted)
    def _(self, event: events.BuildStarted) -> Iterable[Line]:
        self._wait_reasons.pop(event.build, None)
        yield from self._verbose(self._build_line("started", event.build))

    @_event_lines.register(events.BuildPhase)
    def _(self, event: events.BuildPhase) -> Iterable[Line]:
        yield from self._verbose(self._build_line("phase", event.build, event.phase))
        if event.phase is _MAIN_PHASES[self.state.builds[event.build].purpose]:
            if event.build not in self._building:
                yield from self._normal(self._build_line("building", event.build))
            self._building.add(event.build)

    @_event_lines.register(events.BuildRequirementsResolved)
    def _(self, event: events.BuildRequirementsResolved) -> Iterable[Line]:
        requirements = ", ".join(event.requirements) or "nothing"
        yield from self._verbose(self._build_line("requires", event.build, requirements))

    @_event_lines.register(events.LockAcquired)
    def _(self, event: events.LockAcquired) -> Iterable[Line]:
        if event.build is None:
            self._wait_reasons.pop(None, None)
        yield from self._verbose(self._build_line("acquired", event.build, f"lock on {event.lock}"))

    @_event_lines.register(events.LockReleased)
    def _(self, event: events.LockReleased) -> Iterable[Line]:
        yield from self._verbose(self._build_line("released", event.build, f"lock on {event.lock}"))

    @_event_lines.register(events.DownloadFinished)
    def _(self, event: events.DownloadFinished) -> Iterable[Line]:
        size = format_size(event.bytes) if event.ok else "failed"
        yield from self._verbose(self._build_line("downloaded", event.build, event.file, size))

    @_event_lines.register(events.BuildFinished)
    def _(self, event: events.BuildFinished) -> Iterable[Line]:
        build = self.state.builds[event.build]
        self._building.discard(event.build)
        line = self._outcome_line(build)
        if event.outcome is Outcome.FAILED and build.superseded_by is None:
            yield line
            yield from self._failure(build)
        else:
            yield from self._normal(line)

    def _outcome_line(self, build: pool.BuildState) -> Line:
        """Return the line of a build that has ended: its outcome, its time, further facts."""
        spent = f" in {format_duration(build.seconds)}" if build.started_at is not None else ""
        title = f"{build_title(build)}{spent}"
        return word_line(build.outcome or "unfinished", " · ".join((title, *self._facts(build))))

    def _facts(self, build: pool.BuildState) -> Iterator[str]:
        """Yield memory, wheel and message of a finished build."""
        if build.peak:
            yield f"peak {format_size(build.peak)}"
        if build.wheel:
            wheel = PurePath(build.wheel).name
            # Wheels that are installed are not kept in the output folder.
            folder = PurePath(self.state.out_dir).name if self.state.environment is None else ""
            yield str(PurePath(folder, wheel))
            if build.outcome is Outcome.FETCHED and build.wheel_bytes:
                yield format_size(build.wheel_bytes)
        if build.message and build.outcome is not Outcome.FAILED:
            yield build.message

    def _reason(self, build: pool.BuildState, log: str) -> Iterator[Line]:
        """Yield the cause of a failed build, its fix and its log, one line each."""
        fix = f"fix: {build.hint}" if build.hint else ""
        for text in (build.message, fix, f"log: {log}" if log else ""):
            if text:
                yield word_line("", text)

    def _failure(self, build: pool.BuildState) -> Iterator[Line]:
        yield from self._reason(build, "")
        log = self._logs / build.log
        if build.lines or log.is_file():
            yield Line(word="log", text=f"{RULE} {build.label}: the log {RULE}")
            shown = list(read_log_lines(log))
            yield from (Line(text=line) for line in shown)
            yield Line(word="log.end", text=f"{RULE} {build.label}: end of the log {RULE}")
            yield from _relevant_lines(shown)
        if build.rerun:
            yield word_line("", f"rerun: {build.rerun}")

    # Version resolution and the environment

    @_event_lines.register(events.Note)
    def _(self, event: events.Note) -> Iterable[Line]:
        yield from self._normal(self._build_line("note", event.build, event.text))

    @_event_lines.register(events.ResolveStarted)
    def _(self, event: events.ResolveStarted) -> Iterable[Line]:
        requirements = format_count(len(event.requirements), "requirement")
        yield from self._normal(word_line("resolving", requirements))

    @_event_lines.register(events.ResolveFinished)
    def _(self, event: events.ResolveFinished) -> Iterable[Line]:
        yield from self._normal(word_line("resolved", format_selection(event.picked)))
        if self._verbosity == "verbose":
            yield from selection_lines(event.picked)

    @_event_lines.register(events.ResolveFailed)
    def _(self, event: events.ResolveFailed) -> Iterable[Line]:
        yield from failure_lines(event.message, event.hint)

    @_event_lines.register(events.EnvironmentStaging)
    def _(self, event: events.EnvironmentStaging) -> Iterable[Line]:
        distributions = format_count(event.distributions, "distribution")
        text = f"{distributions} for {environment_name(event.environment)}"
        yield from self._verbose(word_line("staging", text))

    @_event_lines.register(events.EnvironmentChanged)
    def _(self, event: events.EnvironmentChanged) -> Iterable[Line]:
        for one in event.changes:
            word = "removed" if one.new is None else "installed"
            yield from self._normal(word_line(word, format_change(one)))
        if event.locked:
            text = f"{event.environment} for {format_duration(event.locked)}"
            yield from self._verbose(word_line("locked", text))

    @_event_lines.register(events.EnvironmentFailed)
    def _(self, event: events.EnvironmentFailed) -> Iterable[Line]:
        yield from failure_lines(
            f"{environment_name(event.environment)}: {event.message}", event.hint
        )

    # The end

    def short_summary(self) -> Iterator[Line]:
        """Yield the result of a run of which no line was printed, with the paths of logs."""
        builds = requested_builds(self.state)
        for note in self.state.notes:
            yield _clean(word_line("note", note))
        for build in filter(_has_row, builds):
            yield _clean(self._outcome_line(build))
            if build.outcome is Outcome.FAILED:
                yield from map(_clean, self._reason(build, log_name(build, self.state)))
        yield from map(_clean, [*self._totals(), *self._timings()])

    def _summary(self) -> Iterator[Line]:
        """Yield the failed builds once more, as their lines are far above; totals, timings."""
        builds = requested_builds(self.state)
        failed = [one for one in builds if one.outcome is Outcome.FAILED and len(builds) > 1]
        if failed:
            yield Line(text="")
        for build in failed:
            yield self._outcome_line(build)
            yield from self._reason(build, log_name(build, self.state))
        yield from self._totals()
        yield from self._timings()

    def _totals(self) -> Iterator[Line]:
        first, *rest = summary_lines(self.state, self._peak)
        yield word_line("finished", first.text)
        yield from (word_line("", line.text, kind=line.word) for line in rest)

    def _timings(self) -> Iterator[Line]:
        if self._recorder is not None:
            from app.text.timings import timings_lines  # noqa: PLC0415 - only with --timings

            timings = self._recorder.measure(self.state)
            yield from timings_lines(timings, self.state.builds)


def _create_recorder() -> TimingsRecorder:
    from app.model.timings.timings import TimingsRecorder  # noqa: PLC0415 - only with --timings

    return TimingsRecorder()


def unfinished_line(state: pool.RunState) -> Line:
    """Return the last line of a run whose journal has no end."""
    return Line(
        text=f"the log ends here, after {format_duration(state.now)}, before the run finished"
    )


def _relevant_lines(log: Sequence[str]) -> Iterator[Line]:
    """Yield the lines that explain a failure, if the log is longer than a screen."""
    if len(log) > _LONG_LOG and (found := pool.diagnose(log)) is not None:
        yield Line(text="relevant lines:")
        yield from (Line(text=f"  {line}") for _, line in found.lines if line)


def _has_row(build: pool.BuildState) -> bool:
    """Return whether the summary has a row for a build; fetched wheels may be hundreds."""
    return build.outcome is not Outcome.FETCHED


def _clean(line: Line) -> Line:
    return replace(line, text=pool.clean_line(line.text, longest=_LONGEST_LINE))


def _clean_command(holder: pool.Holder | None) -> pool.Holder | None:
    if holder is None or not holder.command:
        return holder
    return pool.Holder(
        pid=holder.pid,
        command=pool.clean_line(holder.command, longest=_LONGEST_COMMAND),
        since=holder.since,
    )
