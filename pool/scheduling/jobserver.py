"""The jobserver: one FIFO with job tokens for each running hook, by GNU make's protocol.

A FIFO for all builds could not be repaired when a client is killed. With one for each build, the
tokens that a build holds are those granted less the unread bytes (FIONREAD), and all of them are
free again when its processes have ended. `pool.scheduling.job_tokens`, which is pure, decides which
build gets a token.

Under an outer make (MAKEFLAGS names a jobserver that can be opened) every token comes from there.
The first job needs none: the outer make counts this process as one of its own jobs.
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
from pathlib import Path
from stat import S_ISFIFO
from typing import TYPE_CHECKING, Generic, TypeVar

from pool.common.files import remove_tree
from pool.common.record import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable, Mapping

    from pool.scheduling.job_tokens import JobTokens

__all__ = ["JobGrant", "Jobserver", "OuterJobserver", "find_auth"]

K = TypeVar("K", bound="Hashable")

FAST_SECONDS, SLOW_SECONDS = 0.005, 0.05
"""Between two looks: while tokens move, and after a while without a change."""
_MAX_READ_BYTES = 4096
"""More bytes than any build is ever granted."""
_PLAIN_PATH = re.compile(r"[\w./+@=,-]+", re.ASCII)
_AUTH = re.compile(r"(?:^|\s)--jobserver-(?:auth|fds)=(\S+)")


class JobGrant(Record, frozen=True, kw_only=True):
    """The jobs that one hook may use."""

    fifo: Path
    """Its path has no character with a meaning for make, cargo or a shell."""
    fixed: int
    """Jobs that it has until its end: the first one, and those leased to it."""


class Jobserver(Generic[K]):
    """All FIFOs of one pool. It belongs to one event loop; `run` is its only task.

    Args:
        tokens: the account of the tokens.
        outer: the jobserver of the make that runs this process.
    """

    def __init__(self, tokens: JobTokens[K], outer: OuterJobserver | None = None) -> None:
        self._tokens = tokens
        self._outer = outer
        if outer is not None:
            tokens.borrowed = 0
        self._fifos: dict[K, _Fifo] = {}
        self._waiters: dict[K, asyncio.Future[None]] = {}
        self._watched: set[K] = set()
        """The builds whose FIFOs are watched, to read a returned byte before its tool does."""
        self._wakeup = asyncio.Event()

    @property
    def cap(self) -> int:
        """The most jobs of all builds together; may be set at any time."""
        return self._tokens.cap

    def resize(self, cap: int) -> None:
        """Set the cap; tokens above a smaller one are read back as compilers end."""
        self._tokens.cap = cap
        self._poll()

    def held(self, build: K) -> int:
        """Return the tokens that a build has beside its first job."""
        return self._tokens.held(build)

    def allowed(self, build: K) -> int:
        """Return the jobs that a build may run: its first one, its tokens, and unread tokens."""
        return self._tokens.allowed(build)

    @asynccontextmanager
    async def reserve(
        self,
        build: K,
        folder: Path,
        *,
        max_jobs: int,
        lease: int = 0,
        on_wait: Callable[[], None],
    ) -> AsyncIterator[JobGrant]:
        """Hold a job for a hook, and a FIFO with more, for the length of a block.

        Args:
            build: the build of the hook; it has one hook at a time.
            folder: where the FIFO is created if the path is a plain one.
            max_jobs: the most jobs that it may have at once.
            lease: tokens to set aside for tools that do not speak the protocol.
            on_wait: called if no job is free at once.

        Raises:
            OSError: no FIFO can be created.
        """
        max_jobs = max(1, max_jobs)
        fifo = self._fifos[build] = _Fifo.create(folder)
        try:
            await self._wait_for_job(build, max_jobs, lease, on_wait)
            yield JobGrant(fifo=fifo.path, fixed=1 + self._tokens.leased_to(build))
        finally:
            self._tokens.remove(build)
            self._set_watched(self._watched - {build})
            del self._fifos[build]
            fifo.close()
            self._poll()

    async def _wait_for_job(
        self, build: K, max_jobs: int, lease: int, on_wait: Callable[[], None]
    ) -> None:
        waiter = self._waiters[build] = asyncio.get_running_loop().create_future()
        try:
            self._tokens.request(build, max_jobs=max_jobs, lease=lease)
            self._poll()
            self._wakeup.set()
            if not waiter.done():
                on_wait()
            await waiter
        finally:
            del self._waiters[build]

    async def run(self) -> None:
        """Poll until cancelled: often while tokens move, seldom otherwise."""
        pause = FAST_SECONDS
        while True:
            if not self._fifos:
                self._wakeup.clear()
                await self._wakeup.wait()
            await asyncio.sleep(pause)
            pause = FAST_SECONDS if self._poll() else min(SLOW_SECONDS, 1.5 * pause)

    def close(self) -> None:
        """Return all tokens to the outer jobserver; no hook may be running."""
        if self._outer is not None:
            self._outer.close()

    def _poll(self) -> bool:
        """Move tokens once; return whether a build has read or returned any since the last time."""
        tokens, fifos = self._tokens, self._fifos
        expected = tokens.expected_unread()
        unread = {build: fifos[build].count_unread() for build in expected}
        for build, count in tokens.find_surplus(unread).items():
            tokens.record_taken(build, fifos[build].read_tokens(count))
        self._borrow()
        for build in tokens.admit():
            if not self._waiters[build].done():
                self._waiters[build].set_result(None)
        for build in tokens.grant():
            fifos[build].write_token()
        self._return_borrowed()
        self._set_watched(set(tokens.reclaimable()))
        return unread != expected

    def _set_watched(self, builds: set[K]) -> None:
        """Watch the FIFOs of these builds, and no others."""
        loop = asyncio.get_running_loop()
        for build in self._watched - builds:
            loop.remove_reader(self._fifos[build].fd)
        for build in builds - self._watched:
            loop.add_reader(self._fifos[build].fd, self._on_readable, build)
        self._watched = builds

    def _on_readable(self, build: K) -> None:
        """Read returned bytes before all else: their tool reads again microseconds later."""
        self._tokens.record_taken(build, self._fifos[build].read_tokens(_MAX_READ_BYTES))
        self._poll()

    def _borrow(self) -> None:
        """Borrow as many tokens of the outer jobserver as builds want and as are free there."""
        tokens = self._tokens
        if self._outer is None or tokens.borrowed is None:
            return
        wanted = tokens.wanted - tokens.free
        while wanted > 0 and 1 + tokens.borrowed < tokens.cap and self._outer.take():
            tokens.borrowed += 1
            wanted -= 1

    def _return_borrowed(self) -> None:
        """Return free tokens to the outer jobserver, for its other clients."""
        tokens = self._tokens
        while self._outer is not None and tokens.borrowed and tokens.free > 0:
            self._outer.give_back()
            tokens.borrowed -= 1


class _Fifo:
    """One build's FIFO. Both ends are open here, so that no client blocks in open(2)."""

    def __init__(self, path: Path, own_folder: Path | None) -> None:
        self.path = path
        self._own_folder = own_folder
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    @classmethod
    def create(cls, folder: Path) -> _Fifo:
        """Create a FIFO in the folder, or elsewhere if its path is not plain or has no FIFOs."""
        path, own_folder = folder / "jobs", None
        with suppress(OSError):
            if _PLAIN_PATH.fullmatch(str(path)):
                path.unlink(missing_ok=True)
                os.mkfifo(path, 0o600)
                return cls(path, None)
        parent = tempfile.gettempdir()
        own_folder = Path(
            tempfile.mkdtemp(
                prefix="wheelpool-",
                dir=parent if _PLAIN_PATH.fullmatch(parent) else "/tmp",  # noqa: S108 - a folder of our own in it, 0700
            )
        )
        os.mkfifo(own_folder / "jobs", 0o600)
        return cls(own_folder / "jobs", own_folder)

    def count_unread(self) -> int:
        """Return the number of unread bytes."""
        return int(struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, b"\0" * 4))[0])

    def write_token(self) -> None:
        """Write a byte; the FIFO is never nearly full, so this does not block."""
        os.write(self.fd, b"+")

    def read_tokens(self, count: int) -> int:
        """Read at most ``count`` bytes; return how many there were."""
        try:
            return len(os.read(self.fd, count))
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Remove the FIFO; processes that still have it open affect no other build."""
        os.close(self.fd)
        with suppress(OSError):
            self.path.unlink()
        if self._own_folder is not None:
            remove_tree(self._own_folder)


def find_auth(makeflags: str) -> str | None:
    """Return the jobserver that MAKEFLAGS names: ``fifo:PATH`` or ``R,W``; the last one counts."""
    found = _AUTH.findall(makeflags)
    return found[-1] if found else None


class OuterJobserver:
    """The jobserver of the make that runs this process; a client of it."""

    def __init__(self, read: int, write: int) -> None:
        self._read = read
        self._write = write
        self._held = bytearray()

    @classmethod
    def join(cls, environ: Mapping[str, str]) -> OuterJobserver | None:
        """Join the jobserver that the environment names, if it can be reached.

        MAKEFLAGS names a pair of descriptors to every program that make runs, but they are open
        only in recipes with ``+`` or ``$(MAKE)``.
        """
        auth = find_auth(environ.get("MAKEFLAGS", ""))
        if auth is None:
            return None
        name = auth.removeprefix("fifo:")
        if name == auth:
            pair = re.fullmatch(r"(\d+),(\d+)", auth)
            if pair is None or not all(_is_pipe(int(number)) for number in pair.groups()):
                return None
            # Opened again: O_NONBLOCK must not be set on make's own descriptors.
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
        """Read a token; return False if none is free now."""
        try:
            token = os.read(self._read, 1)
        except OSError:
            return False
        self._held += token
        return bool(token)

    def give_back(self) -> None:
        """Write back a byte that was read: some clients give bytes a meaning."""
        # The make may have ended.
        with suppress(OSError):
            os.write(self._write, bytes([self._held.pop()]))

    def close(self) -> None:
        """Return all tokens."""
        while self._held:
            self.give_back()
        os.close(self._read)
        os.close(self._write)


def _is_pipe(fd: int) -> bool:
    try:
        return S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False
