"""The details of one build as labelled lines: on the screen, in replays, in reports.

Pure. `app.text.rows` has the status of a build and `app.text.wait_reasons` why it waits; these
lines add durations, memory, dependencies, attempts and the wheel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.format import format_count, format_duration, format_size
from app.text.failure import failure_facts
from app.text.rows import build_title, describe
from app.text.wait_reasons import wait_reason
from pool import Outcome, Record, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pool
    from app.model.queue import SlotQueue

__all__ = ["Fact", "build_facts", "format_command", "list_attempts"]


class Fact(Record, frozen=True):
    """One detail of a build."""

    label: str
    """One or two words."""
    text: str


def build_facts(
    build: pool.BuildState,
    state: pool.RunState,
    now: float,
    queue: SlotQueue,
    previous: Mapping[pool.Phase, float],
) -> Iterator[Fact]:
    """Yield the details of a build; those without a value are left out.

    Args:
        build: one of the state's builds.
        state: the run.
        now: seconds since the start of the run.
        queue: the builds that wait for a slot.
        previous: seconds of the build's phases in the previous run; may be empty.
    """
    failed = build.outcome is Outcome.FAILED
    known = dict(failure_facts(build, state)) if failed else {}
    for label, text in (
        ("cause", known.get("cause", "")),
        ("why", "" if failed else build.message or wait_reason(build, state, now, queue)),
        ("fix", build.hint),
        ("also", known.get("also", "")),
        ("phases", "   ".join(_phases(build, now, previous))),
        ("time", _time(build, now)),
        ("memory", _memory(build)),
        ("jobs", format_count(1 + build.tokens, "job") if build.processes else ""),
        ("requested as", build.origin or ("" if build.needed_by else build.target)),
        ("needed by", _titles(build.needed_by, state)),
        ("waits for", _titles(build.waiting_builds, state)),
        ("attempts", _attempts(build, state)),
        ("built with", ", ".join(build.requirements)),
        ("settings", "  ".join(build.config_settings)),
        ("python", state.header.python if state.header else ""),
        ("lock", build.lock or ""),
        ("wheel", _wheel(build)),
        *(("note", note) for note in build.notes),
        # It comes last, as it is long; a key copies it.
        ("rerun", build.rerun),
    ):
        if text:
            yield Fact(label, text)


def list_attempts(build: pool.BuildState, state: pool.RunState) -> list[pool.BuildState]:
    """Return all attempts of a build, the first one first, with the build itself among them."""
    first = build
    while first.retry_of is not None and first.retry_of in state.builds:
        first = state.builds[first.retry_of]
    attempts = [first]
    while (after := attempts[-1].superseded_by) is not None and after in state.builds:
        attempts.append(state.builds[after])
    return attempts


def format_command(process: pool.ProcessSample) -> str:
    """Return a process's command line without the folders of its program and arguments."""
    words = [word.rpartition("/")[2] for word in process.command.split()]
    if len(words) > 2 and words[1] == "_in_process.py":
        # Name the hook instead of the script that calls it.
        words = [words[0], words[2]]
    return " ".join(words) or process.name


def _phases(
    build: pool.BuildState, now: float, previous: Mapping[pool.Phase, float]
) -> Iterator[str]:
    phases = dict(build.phases)
    if build.phase is not None and build.phase_since is not None:
        phases[build.phase] = phases.get(build.phase, 0.0) + now - build.phase_since
    for phase, seconds in phases.items():
        text = f"{phase} {format_duration(seconds)}"
        text += " so far" if phase is build.phase else ""
        before = f" (previously {format_duration(previous[phase])})" if phase in previous else ""
        yield f"{text}{before}"


def _time(build: pool.BuildState, now: float) -> str:
    parts = []
    if build.status is Status.DONE:
        parts += [format_duration(build.seconds)] if build.seconds else []
    elif build.started_at is not None:
        parts.append(format_duration(now - build.started_at))
    if build.started_at is not None and build.started_at > build.queued_at:
        parts.append(f"queued {format_duration(build.started_at - build.queued_at)}")
    if build.expected is not None:
        parts.append(f"usually {format_duration(build.expected)}")
    return ", ".join(parts)


def _memory(build: pool.BuildState) -> str:
    parts = [f"{format_size(build.rss)} now"] if build.rss else []
    parts += [f"peak {format_size(build.peak)}"] if build.peak else []
    if build.pss_peak:
        now = f"{format_size(build.pss)}, " if build.pss is not None else ""
        parts.append(f"PSS {now}peak {format_size(build.pss_peak)}")
    parts += [f"{format_size(build.reserved)} reserved"] if build.reserved else []
    parts += [f"usual peak {format_size(build.expected_peak)}"] if build.expected_peak else []
    return "   ".join(parts)


def _titles(names: tuple[pool.BuildId, ...], state: pool.RunState) -> str:
    builds = [state.builds[name] for name in names if name in state.builds]
    return ", ".join(f"{build_title(one)} ({one.outcome or one.status})" for one in builds)


def _attempts(build: pool.BuildState, state: pool.RunState) -> str:
    attempts = list_attempts(build, state)
    if len(attempts) == 1:
        return ""
    parts = [
        f"{number}. {'this one, ' if one is build else ''}{describe(one, state, state.now).word}"
        + (f" ({one.message})" if one.message and one is not build else "")
        for number, one in enumerate(attempts, 1)
    ]
    return "  ".join(parts)


def _wheel(build: pool.BuildState) -> str:
    if not build.wheel:
        return ""
    if not build.wheel_bytes:
        return build.wheel
    return f"{build.wheel}  {format_size(build.wheel_bytes)}"
