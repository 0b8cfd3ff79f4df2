"""Controls a run of another process from a shell, and prints the effect of each command.

The journal is read, the control is sent to the run's control socket, and the journal is read up to
the event that the reply names: every printed effect has happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pool
from app.format import format_count, format_size, format_size_of
from app.runs.build_lookup import find_build
from app.text.limits import format_limits, memory_use
from app.text.rows import build_title

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["RemoteRun"]


class RemoteRun:
    """One running run.

    Args:
        journal: the journal of the run.

    Raises:
        JournalError: the file is no journal.
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

    # Limits

    def format_limits(self, limit: pool.LimitName | None = None) -> Iterator[str]:
        """Yield the limits with their use, or one of them."""
        texts = format_limits(self._state)
        if pool.LimitName.MEMORY in self._state.limits or limit is pool.LimitName.MEMORY:
            texts[pool.LimitName.MEMORY] = self._memory()
        yield from (text for name, text in texts.items() if limit in (None, name))

    def _memory(self) -> str:
        if (use := memory_use(self._state)) is None:
            return "memory no budget"
        used = format_size_of(use.used, use.budget)
        return f"memory {used}, {format_size(use.reserved)} reserved"

    def resize(self, limit: pool.LimitName, value: int) -> Iterator[str]:
        """Set a limit, or the memory budget in bytes; yield the changes.

        Raises:
            RunError: the run does not answer, or rejects the control.
        """
        before = self._values()
        self._send(pool.Resize(limit=limit, value=value))
        after = self._values()
        changed = [name for name in after if before.get(name) != after[name]]
        for name in changed:
            old, new = _format_value(name, before.get(name, 0)), _format_value(name, after[name])
            yield f"{name} {old} -> {new}{self._delay(name)}"
        if limit not in changed:
            yield f"{limit} {_format_value(limit, after.get(limit, 0))} already{self._delay(limit)}"

    def _values(self) -> dict[pool.LimitName, int]:
        """Return the limits as they are without a pause."""
        return {name: limit.value for name, limit in self._state.limits.items()}

    def _delay(self, limit: pool.LimitName) -> str:
        """Return why a new limit does not hold yet; or nothing."""
        if limit is not pool.LimitName.BUILDS:
            return ""
        running, cap = len(self._state.slots), self._state.limits[limit].cap
        if cap == 0:
            return ", once resumed"
        return f", {running} still running" if running > cap else ""

    def pause(self) -> Iterator[str]:
        """Pause the run: start no new builds; yield how many builds still run.

        Raises:
            RunError: the run does not answer.
        """
        before = self._is_paused()
        self._send(pool.Pause())
        running = format_count(len(self._state.slots), "build")
        yield f"paused{' already' if before else ''}: {running} finishing, no new ones start"

    def resume(self) -> Iterator[str]:
        """Resume the run: start builds again; yield the limit.

        Raises:
            RunError: the run does not answer.
        """
        before = self._is_paused()
        self._send(pool.Resume())
        cap = self._state.limits[pool.LimitName.BUILDS].cap
        yield f"resumed: builds {cap}" if before else f"not paused: builds {cap}"

    def _is_paused(self) -> bool:
        limit = self._state.limits.get(pool.LimitName.BUILDS)
        return limit is not None and limit.cap == 0

    # Builds

    def cancel(self, name: str, poll_delays: Iterable[None]) -> Iterator[str]:
        """Cancel a build, wait until it has ended, and yield its outcome.

        Args:
            name: the build's name, its name and version, or its id.
            poll_delays: an iterator that sleeps on each step; when it is exhausted, stop waiting.

        Raises:
            RunError: the run does not answer, or there is no such build.
        """
        build = find_build(self._state, name, lambda build: build.status is not pool.Status.DONE)
        self._send(pool.Cancel(build=build.id))
        for _ in poll_delays:
            self._read()
            if self._state.builds[build.id].status is pool.Status.DONE:
                break
        outcome = self._state.builds[build.id].outcome
        yield f"{build_title(build)}: {outcome or 'cancelling'}"

    def retry(self, name: str) -> Iterator[str]:
        """Retry a build that did not succeed; yield the new builds.

        Raises:
            RunError: the run does not answer, or there is no such build.
        """
        build = find_build(self._state, name, pool.has_failed)
        before = set(self._state.builds)
        self._send(pool.Retry(build=build.id))
        for new in self._state.builds.values():
            if new.id not in before and new.retry_of:
                yield f"{build_title(new)}: retrying as {new.id}"

    def stop(self, *, now: bool) -> Iterator[str]:
        """Stop the run; yield how many builds that ends.

        Raises:
            RunError: the run does not answer.
        """
        left = sum(build.status is not pool.Status.DONE for build in self._state.builds.values())
        self._send(pool.Stop(now=now))
        yield f"stopping: {'killing' if now else 'cancelling'} {format_count(left, 'build')}"

    # The run

    def _send(self, control: pool.Control) -> None:
        reply = pool.send_control(self._reader.path, control)
        if reply.refused:
            raise pool.RunError(pool.clean_line(reply.refused))
        self._read()
        if self._seq < reply.seq:
            raise pool.RunError("done, but the run's journal is incomplete: the disk is full")

    def _read(self) -> None:
        for event in self._reader.read():
            self._seq = event.seq
            pool.apply(self._state, event)


def _format_value(limit: pool.LimitName, cap: int) -> str:
    if limit is not pool.LimitName.MEMORY:
        return str(cap)
    return format_size(cap) if cap else "no budget"
