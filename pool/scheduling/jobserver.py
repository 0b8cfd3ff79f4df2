"""The broker of job tokens: one FIFO for each running build, as GNU make's protocol has it.

One FIFO for all could not be repaired when a client is killed; with one for each build, what a
build holds is what was granted less what lies unread (FIONREAD), and all of it is free again when
its processes are gone. Who gets what is decided by `pool.scheduling.job_tokens`, which is pure.

Under an outer make (MAKEFLAGS names a jobserver that can be reached), every token comes from there;
our own first job was paid by whoever started us.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import struct
import tempfile
import termios
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISFIFO
from typing import TYPE_CHECKING, Generic, TypeVar

from pool.common.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable, Mapping

    from pool.scheduling.job_tokens import JobTokens

__all__ = ["Granted", "Jobserver", "OuterJobserver", "last_auth"]

K = TypeVar("K", bound="Hashable")

FAST, SLOW = 0.005, 0.05
"""Seconds between two looks while tokens move, and when nothing has moved for a while."""
_ALL = 4096
"""Bytes taken at once: more than anybody is ever granted."""
_PLAIN = re.compile(r"[\w./+@=,-]+", re.ASCII)
_AUTH = re.compile(r"(?:^|\s)--jobserver-(?:auth|fds)=(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What one hook may use."""

    fifo: Path
    """Its path has no character that make, cargo or a shell would take for another."""
    fixed: int
    """Jobs that are its own to the end of the hook: the first, and those leased to it."""


class Jobserver(Generic[K]):
    """All FIFOs of one pool. It belongs to one event loop; `run` is its only task.

    Args:
        jobs: the account.
        outer: the jobserver that we are a client of.
    """

    paused = False
    """Builds can be paused; the compilers of those that run go on."""

    def __init__(self, jobs: JobTokens[K], outer: OuterJobserver | None = None) -> None:
        self._jobs = jobs
        self._outer = outer
        if outer is not None:
            jobs.backed = 0
        self._pipes: dict[K, _Pipe] = {}
        self._calls: dict[K, asyncio.Future[None]] = {}
        self._caught: set[K] = set()
        """Whose pipes are waited on, to be there before who writes reads again."""
        self._stirred = asyncio.Event()

    @property
    def cap(self) -> int:
        """The most jobs of all builds together; may be set at any time."""
        return self._jobs.cap

    def resize(self, cap: int) -> None:
        """Set the cap; what is above a smaller one comes in as compilers end."""
        self._jobs.cap = cap
        self._turn()

    def held(self, build: K) -> int:
        """Return how many tokens a build has beside its first job."""
        return self._jobs.held(build)

    def allowed(self, build: K) -> int:
        """Return how many jobs a build may run: its first, its tokens, and what it may read."""
        return self._jobs.allowed(build)

    @asynccontextmanager
    async def admitted(
        self,
        build: K,
        folder: Path,
        *,
        most: int,
        lease: int = 0,
        on_wait: Callable[[], None],
    ) -> AsyncIterator[Granted]:
        """Have a job for a hook, and a FIFO with more, while the block lasts.

        Args:
            build: whose hook it is; one at a time.
            folder: where the FIFO is made, if the path is a plain one.
            most: jobs it may have at once.
            lease: tokens that are set aside for tools that know no jobserver.
            on_wait: called if there is no job to be had at once.

        Raises:
            OSError: no FIFO can be made.
        """
        most = max(1, most)
        pipe = self._pipes[build] = _Pipe.made(folder)
        try:
            await self._admission(build, most, lease, on_wait)
            yield Granted(fifo=pipe.path, fixed=1 + self._jobs.leased(build))
        finally:
            self._jobs.leave(build)
            self._catch_from(self._caught - {build})
            del self._pipes[build]
            pipe.close()
            self._turn()

    async def _admission(
        self, build: K, most: int, lease: int, on_wait: Callable[[], None]
    ) -> None:
        called = self._calls[build] = asyncio.get_running_loop().create_future()
        try:
            self._jobs.request(build, most=most, lease=lease)
            self._turn()
            self._stirred.set()
            if not called.done():
                on_wait()
            await called
        finally:
            del self._calls[build]

    async def run(self) -> None:
        """Look again and again until cancelled: often while tokens move, seldom otherwise."""
        pace = FAST
        try:
            while True:
                if not self._pipes:
                    self._stirred.clear()
                    await self._stirred.wait()
                await asyncio.sleep(pace)
                pace = FAST if self._turn() else min(SLOW, 1.5 * pace)
        finally:
            if self._outer is not None:
                self._outer.close()

    def _turn(self) -> bool:
        """Look once and act on it; return whether a build has read or given back anything."""
        jobs, pipes = self._jobs, self._pipes
        expected = jobs.unread()
        seen = {who: pipes[who].unread() for who in expected}
        for who, count in jobs.look(seen).items():
            jobs.took(who, pipes[who].take(count))
        self._borrow()
        for who in jobs.admit():
            if not self._calls[who].done():
                self._calls[who].set_result(None)
        for who in jobs.grant():
            pipes[who].put()
        self._give_back()
        self._catch_from(set(jobs.greedy()))
        return seen != expected

    def _catch_from(self, greedy: set[K]) -> None:
        """Wait on these pipes, and on no others."""
        loop = asyncio.get_running_loop()
        for who in self._caught - greedy:
            loop.remove_reader(self._pipes[who].fd)
        for who in greedy - self._caught:
            loop.add_reader(self._pipes[who].fd, self._catch, who)
        self._caught = greedy

    def _catch(self, who: K) -> None:
        """Take first and think then: a tool that writes a byte reads again microseconds later."""
        self._jobs.took(who, self._pipes[who].take(_ALL))
        self._turn()

    def _borrow(self) -> None:
        """Take from the outer jobserver what is wanted here and can be had there."""
        jobs = self._jobs
        if self._outer is None or jobs.backed is None:
            return
        wanted = jobs.wanted - jobs.free
        while wanted > 0 and 1 + jobs.backed < jobs.cap and self._outer.take():
            jobs.backed += 1
            wanted -= 1

    def _give_back(self) -> None:
        """Let nothing lie here that the outer jobserver's other clients could use."""
        jobs = self._jobs
        while self._outer is not None and jobs.backed and jobs.free > 0:
            self._outer.give_back()
            jobs.backed -= 1


class _Pipe:
    """One build's FIFO, both ends of it open, so that nobody's open waits."""

    def __init__(self, path: Path, own_folder: Path | None) -> None:
        self.path = path
        self._own_folder = own_folder
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    @classmethod
    def made(cls, folder: Path) -> _Pipe:
        """Make a FIFO, elsewhere if the folder's path is not plain or takes none."""
        path, own_folder = folder / "jobs", None
        with suppress(OSError):
            if _PLAIN.fullmatch(str(path)):
                path.unlink(missing_ok=True)
                os.mkfifo(path, 0o600)
                return cls(path, None)
        parent = tempfile.gettempdir()
        own_folder = Path(
            tempfile.mkdtemp(
                prefix="wheelpool-",
                dir=parent if _PLAIN.fullmatch(parent) else "/tmp",  # noqa: S108 - a folder of our own in it, 0700
            )
        )
        os.mkfifo(own_folder / "jobs", 0o600)
        return cls(own_folder / "jobs", own_folder)

    def unread(self) -> int:
        """Return how many bytes lie in it."""
        return int(struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, b"\0" * 4))[0])

    def put(self) -> None:
        """Put a byte in: far from filling it, so it never blocks."""
        os.write(self.fd, b"+")

    def take(self, count: int) -> int:
        """Take bytes out, as many of so many as are still there."""
        try:
            return len(os.read(self.fd, count))
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Remove it; what some process left behind may still do with it touches nobody."""
        os.close(self.fd)
        with suppress(OSError):
            self.path.unlink()
        if self._own_folder is not None:
            remove_tree(self._own_folder)


def last_auth(makeflags: str) -> str | None:
    """Return the jobserver that MAKEFLAGS names: ``fifo:PATH`` or ``R,W``; the last one counts."""
    found = _AUTH.findall(makeflags)
    return found[-1] if found else None


class OuterJobserver:
    """A jobserver that we are a client of: the make that runs us."""

    def __init__(self, read: int, write: int) -> None:
        self._read = read
        self._write = write
        self._held = bytearray()

    @classmethod
    def join(cls, environ: Mapping[str, str]) -> OuterJobserver | None:
        """Join the jobserver that the environment names, if it can be reached.

        A pair of descriptors is named to every program that make runs, but open only in those
        it takes for makes (recipes with ``+`` or ``$(MAKE)``).
        """
        auth = last_auth(environ.get("MAKEFLAGS", ""))
        if auth is None:
            return None
        name = auth.removeprefix("fifo:")
        if name == auth:
            pair = re.fullmatch(r"(\d+),(\d+)", auth)
            if pair is None or not all(_is_pipe(int(number)) for number in pair.groups()):
                return None
            # Opened anew: what is set on ours (non-blocking) is not set on make's.
            paths = [f"/proc/self/fd/{number}" for number in pair.groups()]
        else:
            paths = [name, name]
        try:
            read = os.open(paths[0], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return cls(read, os.open(paths[1], os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            os.close(read)
            return None

    def take(self) -> bool:
        """Take a token, if there is one now."""
        try:
            token = os.read(self._read, 1)
        except OSError:
            return False
        self._held += token
        return bool(token)

    def give_back(self) -> None:
        """Write back a byte that was read: some clients tell one from another."""
        # A make that is gone wants nothing back.
        with suppress(OSError):
            os.write(self._write, bytes([self._held.pop()]))

    def close(self) -> None:
        """Give everything back."""
        while self._held:
            self.give_back()
        os.close(self._read)
        os.close(self._write)


def _is_pipe(fd: int) -> bool:
    try:
        return S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False
