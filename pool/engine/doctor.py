"""The findings of ``wheelpool doctor``: what builds need of this machine, and whether it is there.

All checks run at once and change nothing. A check that fails is a finding as well, never an error.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
import psutil
from msgspec import field

from pool.cache.prune import walk_stats
from pool.common.clock import Clock, SystemClock
from pool.common.errors import PoolError
from pool.common.model import LimitName
from pool.common.record import Record
from pool.common.units import format_size
from pool.requirements.ignored_settings import describe_ignored_settings
from pool.requirements.pip_config import existing_config_files, read_index_settings
from pool.scheduling.history import BuildHistory
from pool.scheduling.memory_budget import MemoryBudget
from pool.system.cgroup import own_cgroup
from pool.system.interpreter import probe
from pool.system.locks.folder_access import describe_foreign_access, lock_obstacle
from pool.system.memory import read_available
from pool.system.process_limits import current_limits, lower_caps
from pool.system.processors import count_processors
from pool.system.programs import PROGRAMS, probe_program, uv_has_same_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Doctor", "Finding", "State"]

State: TypeAlias = Literal["ok", "note", "missing"]
_PYTHON = re.compile(r"python3\.\d+")
_NEEDED = ("git", "make", "cc", "c++")
"""Programs that many builds need and that no wheel provides."""
_PRESSURE = re.compile(r"some avg10=([\d.]+) avg60=[\d.]+ avg300=([\d.]+) ")
"""Pressure stall information of the kernel: the share of time in which a task waited for memory."""
_MIN_OPEN_FILES = 4096
_MIN_FREE_BYTES = 2 << 30
_CACHE_SECONDS = 0.3
"""The longest time to add up the cache, which can have a million files."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line about the machine."""

    what: str
    state: State
    text: str


class Doctor(Record, frozen=True, kw_only=True):
    """The checks of one machine.

    The figures are formatted: a run's journal has the numbers.
    """

    cache_dir: Path
    state_dir: Path
    environ: Mapping[str, str]
    root: Path = Path("/")
    """The folder with ``proc`` and ``sys``."""
    clock: Clock = field(default_factory=SystemClock)

    def findings(self) -> Iterator[Finding]:
        """Yield one finding for each check, in a fixed order."""
        checks: list[tuple[str, Callable[[], tuple[State, str]]]] = [
            ("python", self._check_python),
            ("interpreters", self._list_interpreters),
            ("cache", lambda: self._check_folder(self.cache_dir, "XDG_CACHE_HOME")),
            ("cache content", self._measure_cache),
            ("state", lambda: self._check_folder(self.state_dir, "XDG_STATE_HOME")),
            ("locks", self._check_locks),
            ("history", self._summarize_history),
            *((name, self._program_check(name)) for name in PROGRAMS),
            ("uv's tree lock", self._check_uv_lock),
            ("processors", self._count_processors),
            ("memory", self._check_memory),
            ("swap", self._check_swap),
            ("cgroup", self._check_cgroup),
            ("pressure", self._check_pressure),
            ("open files", self._check_open_files),
            ("processes", self._check_processes),
            ("address space", self._check_address_space),
            ("indexes", self._describe_indexes),
            ("proxies", self._describe_proxies),
            ("keyring", self._describe_keyring),
            ("pip and uv", self._describe_ignored_settings),
        ]
        with ThreadPoolExecutor(len(checks), thread_name_prefix="doctor") as executor:
            running = [(what, executor.submit(check)) for what, check in checks]
            for what, future in running:
                state, text = future.result()
                yield Finding(what=what, state=state, text=text)

    # Python and folders

    def _check_python(self) -> tuple[State, str]:
        try:
            own = probe(None, self.environ)
        except PoolError as problem:
            return "missing", problem.message
        tags = f"{own.tag_names[0]} and {len(own.tag_names) - 1} tags more"
        return "ok", f"{own.version}  {own.executable}  {tags}"

    def _list_interpreters(self) -> tuple[State, str]:
        folders = self.environ.get("PATH", os.defpath).split(os.pathsep)
        names = {
            path.name
            for folder in folders
            for path in Path(folder).glob("python3.*")
            if _PYTHON.fullmatch(path.name)
        }
        ordered = sorted(names, key=lambda name: int(name.rpartition(".")[2]))
        return ("ok", ", ".join(ordered)) if ordered else ("note", "none on PATH but our own")

    def _check_folder(self, folder: Path, variable: str) -> tuple[State, str]:
        existing = _existing_folder(folder)
        if not os.access(existing, os.W_OK):
            return "missing", f"{folder}  cannot be written: choose another with {variable}"
        free = shutil.disk_usage(existing).free
        text = f"{folder}  {format_size(free)} free"
        if existing == folder:
            text += f"  mode {stat.S_IMODE(folder.stat().st_mode):04o}"
            if access := describe_foreign_access(folder):
                return "note", f"{text}: {access}"
        return "ok" if free >= _MIN_FREE_BYTES else "note", text

    def _check_locks(self) -> tuple[State, str]:
        for folder, use in ((self.cache_dir, "no builds"), (self.state_dir, "no check of --log")):
            if obstacle := lock_obstacle(_existing_folder(folder)):
                return "missing" if folder == self.cache_dir else "note", (
                    f"{folder}  cannot be locked ({obstacle}), which means {use}:"
                    " choose a folder of a local file system"
                )
        return "ok", "cache and state can be locked"

    def _measure_cache(self) -> tuple[State, str]:
        deadline = self.clock.monotonic() + _CACHE_SECONDS
        total, inodes = 0, set[int]()
        with suppress(OSError):
            for stats in walk_stats(os.fspath(self.cache_dir)):
                if self.clock.monotonic() > deadline:
                    return "ok", f"more than {format_size(total)}: wheelpool cache info tells all"
                total += 0 if stats.st_ino in inodes else stats.st_size
                inodes.add(stats.st_ino)
        return "ok", format_size(total)

    def _summarize_history(self) -> tuple[State, str]:
        history = BuildHistory(self.state_dir / "history.sqlite")
        summary = history.summarize()
        if history.trouble:
            return "note", history.trouble
        if summary is None:
            return "note", "nothing is known yet: the first builds are not expected to take long"
        return "ok", (
            f"{summary.names} distributions known;"
            f" largest {summary.largest} ({format_size(summary.peak)}),"
            f" slowest {summary.slowest} ({summary.seconds:.1f} s)"
        )

    # Programs

    def _program_check(self, name: str) -> Callable[[], tuple[State, str]]:
        return lambda: self._check_program(name)

    def _check_program(self, name: str) -> tuple[State, str]:
        found = probe_program(name, self.environ)
        if found.path is None:
            return "missing" if name in _NEEDED else "note", "not on PATH"
        parts = [found.version, str(found.path), found.note]
        warns = not found.version or found.note.startswith("no ")
        return "note" if warns else "ok", "  ".join(filter(None, parts))

    def _check_uv_lock(self) -> tuple[State, str]:
        uv = shutil.which("uv", path=self.environ.get("PATH"))
        if uv is None:
            return "note", "not checked: uv is not on PATH"
        match uv_has_same_lock(Path(uv), Path(sys.executable), self.environ):
            case True:
                return "ok", "this uv and wheelpool keep out of each other's trees"
            case False:
                return "note", "this uv locks trees elsewhere: do not run both in one tree"
            case None:
                return "note", "this uv does not tell where it locks trees"

    # The machine

    def _count_processors(self) -> tuple[State, str]:
        found = count_processors(self.root)
        reason = f" ({found.reason})" if found.reason else ""
        usable = found.usable
        return "ok", f"{usable} of {found.machine}: --builds {usable}, --jobs {usable}{reason}"

    def _check_memory(self) -> tuple[State, str]:
        memory = psutil.virtual_memory()
        auto = MemoryBudget(memory.total, read_available(self.root).free).current
        text = f"{format_size(memory.available)} of {format_size(memory.total)} available"
        return "ok", f"{text}: --memory auto is {format_size(auto)} now"

    def _check_swap(self) -> tuple[State, str]:
        swap = psutil.swap_memory()
        if not swap.total:
            return "note", "none: what does not fit is killed"
        return "ok", f"{format_size(swap.free)} of {format_size(swap.total)} free"

    def _check_cgroup(self) -> tuple[State, str]:
        if (cgroup := own_cgroup(self.root)) is None:
            return "note", "none for memory that can be seen: the machine's memory counts"
        limit, used, kills = cgroup.limit(), cgroup.used(), cgroup.kills()
        parts = [
            f"version {cgroup.version}",
            "no limit" if limit is None else f"limit {format_size(limit)}",
            "" if used is None else f"{format_size(used)} used",
            "kills are not counted" if kills is None else f"{kills} oom kills so far",
        ]
        return "note" if kills is None else "ok", ", ".join(filter(None, parts))

    def _check_pressure(self) -> tuple[State, str]:
        try:
            stalls = _PRESSURE.match((self.root / "proc/pressure/memory").read_text())
        except OSError:
            stalls = None
        if stalls is None:
            return "note", "the kernel does not tell (PSI): available memory counts alone"
        return "ok", f"memory was waited for {stalls[1]} % of 10 s, {stalls[2]} % of 5 min"

    def _check_open_files(self) -> tuple[State, str]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        is_low = hard != resource.RLIM_INFINITY and hard < _MIN_OPEN_FILES
        text = f"{_format_limit(soft)}, may be raised to {_format_limit(hard)}"
        raised = None if hard == resource.RLIM_INFINITY else hard
        return "note" if is_low else "ok", text + self._describe_caps(files=raised)

    def _check_processes(self) -> tuple[State, str]:
        _, left = current_limits()
        if left is None:
            return "ok", "no limit for this user"
        text = f"{left} more for this user (ulimit -u)"
        caps = self._describe_caps(processes=left)
        return "note" if caps else "ok", text + caps

    def _describe_caps(self, *, files: int | None = None, processes: int | None = None) -> str:
        """Return the caps that a limit lowers, by default, as the end of a finding."""
        usable = count_processors(self.root).usable
        wanted = {LimitName.BUILDS: usable, LimitName.JOBS: usable}
        caps, _ = lower_caps(wanted, files=files, processes=processes)
        lowered = [f"--{name} {cap}" for name, cap in caps.items() if cap < wanted[name]]
        return f": not more than {', '.join(lowered)}" if lowered else ""

    def _check_address_space(self) -> tuple[State, str]:
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft == resource.RLIM_INFINITY:
            return "ok", "no limit"
        return "note", f"each process may have {format_size(soft)} (ulimit -v)"

    def _describe_proxies(self) -> tuple[State, str]:
        try:
            proxies = read_index_settings(self.environ).proxies
        except PoolError as problem:
            return "note", problem.message
        return "ok", proxies.description or "none"

    def _describe_keyring(self) -> tuple[State, str]:
        try:
            provider = read_index_settings(self.environ).keyring
        except PoolError as problem:
            return "note", problem.message
        missing = shutil.which("keyring", path=self.environ.get("PATH")) is None
        if provider == "subprocess" and missing:
            return "missing", "subprocess, but there is no program keyring on PATH"
        return "ok", provider

    def _describe_ignored_settings(self) -> tuple[State, str]:
        try:
            ignored = describe_ignored_settings(self.environ)
        except PoolError as problem:
            return "note", problem.message
        return ("note", ignored[0]) if ignored else ("ok", "all settings have their effect")

    def _describe_indexes(self) -> tuple[State, str]:
        try:
            places = read_index_settings(self.environ).description
        except PoolError as problem:
            return "note", problem.message
        files = ", ".join(map(str, existing_config_files(self.environ)))
        return "ok", f"{places}  (pip's configuration: {files or 'no files'})"


def _existing_folder(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _format_limit(number: int) -> str:
    return "any number" if number == resource.RLIM_INFINITY else str(number)
