"""Commands to a run that another process has, given from a shell, and what came of each in words.

The run's journal is read up to the moment, the command passed through the run's door, and the
journal read on to the event that the answer names: what is printed has happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pool
from app.format import format_count, format_size, format_size_of
from app.text.limits import format_limits, memory_budget
from app.text.rows import build_title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

__all__ = ["RemoteRun"]


class RemoteRun:
    """One run, and what it is told.

    Args:
        journal: of a run that goes on.

    Raises:
        JournalError: it is no log.
    """

    def __init__(self, journal: Path) -> None:
        self._reader = pool.JournalReader(journal)
        self._state = pool.RunState(header=self._reader.header)
        self._seq = 0
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    # Caps

    def format_limits(self, limit: pool.LimitName | None = None) -> Iterator[str]:
        """Yield the caps with what goes on under each, or one of them."""
        words = format_limits(self._state)
        if pool.LimitName.MEMORY in self._state.limits or limit is pool.LimitName.MEMORY:
            words[pool.LimitName.MEMORY] = self._memory()
        yield from (text for name, text in words.items() if limit in (None, name))

    def _memory(self) -> str:
        if (known := memory_budget(self._state)) is None:
            return "memory no budget"
        used, reserved, whole = known
        return f"memory {format_size_of(used, whole)}, {format_size(reserved)} reserved"

    def resize(self, limit: pool.LimitName, value: int) -> Iterator[str]:
        """Set a cap, or the memory budget in bytes; yield what has changed.

        Raises:
            RunError: the run does not answer, or refuses.
        """
        before = self._caps()
        self._ask(pool.Resize(limit=limit, value=value))
        after = self._caps()
        changed = [name for name in after if before.get(name) != after[name]]
        for name in changed:
            old, new = _said(name, before.get(name, 0)), _said(name, after[name])
            yield f"{name} {old} -> {new}{self._but(name)}"
        if limit not in changed:
            yield f"{limit} {_said(limit, after.get(limit, 0))} already{self._but(limit)}"

    def _caps(self) -> dict[pool.LimitName, int]:
        """Return the limits as they are without a pause."""
        return {name: limit.value for name, limit in self._state.limits.items()}

    def _but(self, limit: pool.LimitName) -> str:
        """Say what keeps a cap from being so at once."""
        if limit is not pool.LimitName.BUILDS:
            return ""
        running, cap = len(self._state.slots), self._state.limits[limit].cap
        if cap == 0:
            return ", once it is resumed"
        return f", {running} still run" if running > cap else ""

    def pause(self) -> Iterator[str]:
        """Let no build begin; yield what goes on.

        Raises:
            RunError: the run does not answer.
        """
        before = self._is_paused()
        self._ask(pool.Pause())
        running = format_count(len(self._state.slots), "build")
        yield f"paused{' already' if before else ''}: {running} finishing, nothing more begins"

    def resume(self) -> Iterator[str]:
        """Let builds begin again; yield under which cap.

        Raises:
            RunError: the run does not answer.
        """
        before = self._is_paused()
        self._ask(pool.Resume())
        cap = self._state.limits[pool.LimitName.BUILDS].cap
        yield f"resumed: builds {cap}" if before else f"it was not paused: builds {cap}"

    def _is_paused(self) -> bool:
        known = self._state.limits.get(pool.LimitName.BUILDS)
        return known is not None and known.cap == 0

    # Builds

    def cancel(self, name: str, naps: Iterable[None]) -> Iterator[str]:
        """End a build, wait until it has ended, and yield how.

        Args:
            name: its name, its name and version, or its id.
            naps: waits a moment each time; with the last one, patience is at its end.

        Raises:
            RunError: the run does not answer, or there is no such build.
        """
        build = self._named(name, lambda build: build.status is not pool.Status.DONE)
        self._ask(pool.Cancel(build=build.id))
        for _ in naps:
            self._read()
            if self._state.builds[build.id].status is pool.Status.DONE:
                break
        became = self._state.builds[build.id].outcome
        yield f"{build_title(build)}: {became or 'its processes are being ended'}"

    def retry(self, name: str) -> Iterator[str]:
        """Build again what went wrong; yield what that is.

        Raises:
            RunError: the run does not answer, or there is no such build.
        """
        build = self._named(name, self._can_be_retried)
        known = set(self._state.builds)
        self._ask(pool.Retry(build=build.id))
        for new in self._state.builds.values():
            if new.id not in known and new.retry_of:
                yield f"{build_title(new)}: again, as {new.id}"

    def stop(self, *, now: bool) -> Iterator[str]:
        """End the run; yield what that means.

        Raises:
            RunError: the run does not answer.
        """
        left = sum(build.status is not pool.Status.DONE for build in self._state.builds.values())
        self._ask(pool.Stop(now=now))
        yield f"stopping: {format_count(left, 'build')} {'ended at once' if now else 'being ended'}"

    def _named(self, name: str, fitting: Callable[[pool.BuildState], bool]) -> pool.BuildState:
        """Find a build by what a user calls it; of several, the one that the command fits."""
        builds = self._state.builds
        if (known := builds.get(pool.BuildId(name))) is not None:
            return known
        wanted = name.lower().replace("_", "-")
        found = [build for build in builds.values() if wanted in _names(build)]
        match [build for build in found if fitting(build)] or found[-1:]:
            case [one]:
                return one
            case []:
                hint = "a name as the run shows it, with its version, or an id such as b3"
                raise pool.RunError(f"there is no build {name}", hint=hint)
            case several:
                raise pool.RunError(
                    f"{name}: {len(several)} builds are called so", hint=_listed(several)
                )

    def _can_be_retried(self, build: pool.BuildState) -> bool:
        again = {other.retry_of for other in self._state.builds.values()}
        return build.outcome is not None and not build.outcome.good and build.id not in again

    # The run

    def _ask(self, control: pool.Control) -> None:
        answer = pool.send_control(self._reader.path, control)
        if answer.refused:
            raise pool.RunError(pool.clean_line(answer.refused))
        self._read()
        if self._seq < answer.seq:
            raise pool.RunError("it is done, but the run's log is incomplete: its disk is full")

    def _read(self) -> None:
        for event in self._reader.read():
            self._seq = event.seq
            pool.apply(self._state, event)


def _said(limit: pool.LimitName, cap: int) -> str:
    if limit is not pool.LimitName.MEMORY:
        return str(cap)
    return format_size(cap) if cap else "no budget"


def _names(build: pool.BuildState) -> set[str]:
    names = build.name, build.label, build.label.replace(" ", "=="), build.target
    return {name.lower().replace("_", "-") for name in names}


def _listed(builds: Sequence[pool.BuildState]) -> str:
    return ", ".join(f"{build.id} is {build_title(build)} ({build.target})" for build in builds)
