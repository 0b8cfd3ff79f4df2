"""All there is to say about one build, as titled lines: the same live, in replays and by hand.

Pure. What a build does at the moment is said by `app.text.rows`, why it waits by `app.text.wait_reasons`; here is
what one wants to know who looks at one build alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.format import format_count, format_duration, format_size
from app.text.rows import build_title, describe
from app.text.wait_reasons import wait_reason
from pool import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pool
    from app.model.queue import SlotQueue

__all__ = ["Fact", "build_facts", "format_command", "list_attempts"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing about a build."""

    label: str
    """One or two words."""
    text: str


def build_facts(
    build: pool.BuildState,
    state: pool.RunState,
    now: float,
    line: SlotQueue,
    before: Mapping[pool.Phase, float],
) -> Iterator[Fact]:
    """Yield what is known about a build; nothing is said of what does not apply.

    Args:
        build: one of the state's builds.
        state: the run.
        now: seconds since its start.
        line: who waits for a slot.
        before: seconds of its phases in an earlier run; may be empty.
    """
    for about, text in (
        ("why", build.message or wait_reason(build, state, now, line)),
        ("way out", build.hint),
        ("phases", "   ".join(_phases(build, now, before))),
        ("time", _time(build, now)),
        ("memory", _memory(build)),
        ("jobs", f"its own and {format_count(build.tokens, 'token')}" if build.processes else ""),
        ("asked for", build.origin or ("" if build.needed_by else build.target)),
        ("needed by", _titles(build.needed_by, state)),
        ("waits for", _titles(build.waiting_builds, state)),
        ("tries", _tries(build, state)),
        ("built with", ", ".join(build.requirements)),
        ("settings", "  ".join(build.config_settings)),
        ("python", state.header.python if state.header else ""),
        ("lock", build.lock or ""),
        ("wheel", _wheel(build)),
        *(("note", remark) for remark in build.notes),
        # It is long, and there is a key to copy it.
        ("again", build.rerun),
    ):
        if text:
            yield Fact(about, text)


def list_attempts(build: pool.BuildState, state: pool.RunState) -> list[pool.BuildState]:
    """Return all tries of a build, the first one first; it is one of them."""
    first = build
    while first.retry_of is not None and first.retry_of in state.builds:
        first = state.builds[first.retry_of]
    found = [first]
    while (after := found[-1].superseded_by) is not None and after in state.builds:
        found.append(state.builds[after])
    return found


def format_command(process: pool.ProcessSample) -> str:
    """Return a command as people call it: without the path of its program."""
    words = [word.rpartition("/")[2] for word in process.command.split()]
    if len(words) > 2 and words[1] == "_in_process.py":
        # The hook is what counts, not how it is called.
        words = [words[0], words[2]]
    return " ".join(words) or process.name


def _phases(
    build: pool.BuildState, now: float, before: Mapping[pool.Phase, float]
) -> Iterator[str]:
    spent = dict(build.phases)
    if build.phase is not None and build.phase_since is not None:
        spent[build.phase] = spent.get(build.phase, 0.0) + now - build.phase_since
    for phase, seconds in spent.items():
        told = f"{phase} {format_duration(seconds)}"
        told += " so far" if phase is build.phase else ""
        yield f"{told} (before {format_duration(before[phase])})" if phase in before else told


def _time(build: pool.BuildState, now: float) -> str:
    if build.status is Status.DONE:
        told = [format_duration(build.seconds)] if build.seconds else []
    else:
        told = [format_duration(now - build.started_at)] if build.started_at is not None else []
    if build.started_at is not None and build.started_at > build.queued_at:
        told.append(f"after {format_duration(build.started_at - build.queued_at)} until it began")
    if build.expected is not None:
        told.append(f"earlier runs took {format_duration(build.expected)}")
    return ", ".join(told)


def _memory(build: pool.BuildState) -> str:
    told = [f"{format_size(build.rss)} now"] if build.rss else []
    told += [f"peak {format_size(build.peak)}"] if build.peak else []
    if build.pss_peak:
        weighed = f"{format_size(build.pss)} now, " if build.pss is not None else ""
        told.append(f"shared pages counted once: {weighed}peak {format_size(build.pss_peak)}")
    told += [f"{format_size(build.reserved)} set aside"] if build.reserved else []
    told += [f"earlier runs: {format_size(build.expected_peak)}"] if build.expected_peak else []
    return "   ".join(told)


def _titles(builds: tuple[pool.BuildId, ...], state: pool.RunState) -> str:
    known = [state.builds[build] for build in builds if build in state.builds]
    return ", ".join(f"{build_title(one)} ({one.outcome or one.status})" for one in known)


def _tries(build: pool.BuildState, state: pool.RunState) -> str:
    found = list_attempts(build, state)
    if len(found) == 1:
        return ""
    here = {True: "this one, ", False: ""}
    told = [
        f"{number}. {here[one is build]}{describe(one, state, state.now).word}"
        + (f" ({one.message})" if one.message and one is not build else "")
        for number, one in enumerate(found, 1)
    ]
    return "  ".join(told)


def _wheel(build: pool.BuildState) -> str:
    if not build.wheel:
        return ""
    return f"{build.wheel}  {format_size(build.wheel_bytes)}" if build.wheel_bytes else build.wheel
