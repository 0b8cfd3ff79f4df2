"""What this machine offers to builds, and what wheelpool would use of it: one finding for each.

Reads and asks, all side by side, and changes nothing; whatever cannot be found out is a finding
as well, never an error. Figures are in words: who wants numbers has the journal.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
import psutil

from pool.cache.prune import walk_stats
from pool.common.clock import Clock, SystemClock
from pool.common.errors import PoolError
from pool.common.units import format_size
from pool.requirements.pip_config import existing_config_files, read_index_settings
from pool.scheduling.history import BuildHistory
from pool.scheduling.memory_budget import MemoryBudget
from pool.system.cgroup import own_cgroup
from pool.system.interpreter import probe
from pool.system.memory import read_available
from pool.system.programs import PROGRAMS, probe_program, uv_has_same_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Doctor", "Finding", "State"]

State: TypeAlias = Literal["ok", "note", "missing"]
_PYTHON = re.compile(r"python3\.\d+")
_NEEDED = ("git", "make", "cc", "c++")
"""Without these something that people build cannot be built; the others come with wheels."""
_PRESSURE = re.compile(r"some avg10=([\d.]+) avg60=[\d.]+ avg300=([\d.]+) ")
"""How the kernel tells (PSI) for how much of the time some task waited for memory."""
_FEW_FILES = 4096
_LITTLE_SPACE = 2 << 30
_MEASURING_SECONDS = 0.3
"""A cache can have a million files; all of it is said in a second."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line about the machine."""

    what: str
    state: State
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """Where to look."""

    cache_dir: Path
    state_dir: Path
    environ: Mapping[str, str]
    root: Path = Path("/")
    """Where ``proc`` and ``sys`` are."""
    clock: Clock = field(default_factory=SystemClock)

    def findings(self) -> Iterator[Finding]:
        """Yield all there is to say, in a fixed order."""
        checks: list[tuple[str, Callable[[], tuple[State, str]]]] = [
            ("python", self._python),
            ("interpreters", self._interpreters),
            ("cache", lambda: self._folder(self.cache_dir, "XDG_CACHE_HOME")),
            ("cache content", self._cached),
            ("state", lambda: self._folder(self.state_dir, "XDG_STATE_HOME")),
            ("history", self._history),
            *((name, self._program_check(name)) for name in PROGRAMS),
            ("uv's tree lock", self._uv_lock),
            ("processors", self._processors),
            ("memory", self._memory),
            ("swap", self._swap),
            ("cgroup", self._cgroup),
            ("pressure", self._pressure),
            ("open files", self._files),
            ("address space", self._address_space),
            ("indexes", self._indexes),
        ]
        with ThreadPoolExecutor(len(checks), thread_name_prefix="checkup") as executor:
            running = [(what, executor.submit(check)) for what, check in checks]
            for what, future in running:
                state, text = future.result()
                yield Finding(what=what, state=state, text=text)

    # Python and folders

    def _python(self) -> tuple[State, str]:
        try:
            own = probe(None, self.environ)
        except PoolError as problem:
            return "missing", problem.message
        tags = f"{own.tag_names[0]} and {len(own.tag_names) - 1} tags more"
        return "ok", f"{own.version}  {own.executable}  {tags}"

    def _interpreters(self) -> tuple[State, str]:
        folders = self.environ.get("PATH", os.defpath).split(os.pathsep)
        names = {
            path.name
            for folder in folders
            for path in Path(folder).glob("python3.*")
            if _PYTHON.fullmatch(path.name)
        }
        ordered = sorted(names, key=lambda name: int(name.rpartition(".")[2]))
        return ("ok", ", ".join(ordered)) if ordered else ("note", "none on PATH but our own")

    def _folder(self, folder: Path, variable: str) -> tuple[State, str]:
        there = folder
        while not there.exists():
            there = there.parent
        if not os.access(there, os.W_OK):
            return "missing", f"{folder}  cannot be written: choose another with {variable}"
        free = shutil.disk_usage(there).free
        return "ok" if free >= _LITTLE_SPACE else "note", f"{folder}  {format_size(free)} free"

    def _cached(self) -> tuple[State, str]:
        until = self.clock.monotonic() + _MEASURING_SECONDS
        total, seen = 0, set[int]()
        with suppress(OSError):
            for about in walk_stats(os.fspath(self.cache_dir)):
                if self.clock.monotonic() > until:
                    return "ok", f"more than {format_size(total)}: wheelpool cache info tells all"
                total += 0 if about.st_ino in seen else about.st_size
                seen.add(about.st_ino)
        return "ok", format_size(total)

    def _history(self) -> tuple[State, str]:
        history = BuildHistory(self.state_dir / "history.sqlite")
        known = history.summarize()
        if history.trouble:
            return "note", history.trouble
        if known is None:
            return "note", "nothing is known yet: the first builds are not expected to take long"
        return "ok", (
            f"{known.names} distributions known;"
            f" largest {known.largest} ({format_size(known.peak)}),"
            f" slowest {known.slowest} ({known.seconds:.1f} s)"
        )

    # Programs

    def _program_check(self, name: str) -> Callable[[], tuple[State, str]]:
        return lambda: self._program(name)

    def _program(self, name: str) -> tuple[State, str]:
        found = probe_program(name, self.environ)
        if found.path is None:
            return "missing" if name in _NEEDED else "note", "not on PATH"
        said = [found.version, str(found.path), found.note]
        warns = not found.version or found.note.startswith("no ")
        return "note" if warns else "ok", "  ".join(filter(None, said))

    def _uv_lock(self) -> tuple[State, str]:
        uv = shutil.which("uv", path=self.environ.get("PATH"))
        if uv is None:
            return "note", "not looked at: uv is not on PATH"
        match uv_has_same_lock(Path(uv), Path(sys.executable), self.environ):
            case True:
                return "ok", "this uv and wheelpool keep out of each other's trees"
            case False:
                return "note", "this uv locks trees elsewhere: do not run both in one tree"
            case None:
                return "note", "this uv does not tell where it locks trees"

    # The machine

    def _processors(self) -> tuple[State, str]:
        there = os.cpu_count() or 1
        ours = len(os.sched_getaffinity(0)) if sys.platform == "linux" else there
        return "ok", f"{ours} of {there}: --builds {ours}, --jobs {ours}"

    def _memory(self) -> tuple[State, str]:
        memory = psutil.virtual_memory()
        auto = MemoryBudget(memory.total, read_available(self.root).free).current
        text = f"{format_size(memory.available)} of {format_size(memory.total)} available"
        return "ok", f"{text}: --memory auto is {format_size(auto)} now"

    def _swap(self) -> tuple[State, str]:
        swap = psutil.swap_memory()
        if not swap.total:
            return "note", "none: what does not fit is killed"
        return "ok", f"{format_size(swap.free)} of {format_size(swap.total)} free"

    def _cgroup(self) -> tuple[State, str]:
        if (cgroup := own_cgroup(self.root)) is None:
            return "note", "none for memory that can be seen: the machine's memory counts"
        limit, used, kills = cgroup.limit(), cgroup.used(), cgroup.kills()
        said = [
            f"version {cgroup.version}",
            "no limit" if limit is None else f"limit {format_size(limit)}",
            "" if used is None else f"{format_size(used)} used",
            "kills are not counted" if kills is None else f"{kills} oom kills so far",
        ]
        return "note" if kills is None else "ok", ", ".join(filter(None, said))

    def _pressure(self) -> tuple[State, str]:
        try:
            some = _PRESSURE.match((self.root / "proc/pressure/memory").read_text())
        except OSError:
            some = None
        if some is None:
            return "note", "the kernel does not tell (PSI): available memory counts alone"
        return "ok", f"memory was waited for {some[1]} % of 10 s, {some[2]} % of 5 min"

    def _files(self) -> tuple[State, str]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = hard != resource.RLIM_INFINITY and hard < _FEW_FILES
        return "note" if few else "ok", f"{_bound(soft)}, may be raised to {_bound(hard)}"

    def _address_space(self) -> tuple[State, str]:
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft == resource.RLIM_INFINITY:
            return "ok", "no limit"
        return "note", f"each process may have {format_size(soft)} (ulimit -v)"

    def _indexes(self) -> tuple[State, str]:
        try:
            places = read_index_settings(self.environ).description
        except PoolError as problem:
            return "note", problem.message
        files = ", ".join(map(str, existing_config_files(self.environ)))
        return "ok", f"{places}  (pip's configuration: {files or 'no files'})"


def _bound(number: int) -> str:
    return "any number" if number == resource.RLIM_INFINITY else str(number)
