"""Detects a build that uses more jobs than it was granted, by its output and its processes.

Pure. Deliberately only a note: a fixed number in a build script (``make -j8`` in a setup.py) is the
user's decision, and no process is ended for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool.common.model import ProcessSample

__all__ = ["JobOveruseDetector"]

_GCC = ("cc1", "cc1plus", "cc1obj", "f951", "lto1", "lto1-wpa", "lto1-ltrans")
COMPILERS = frozenset((*_GCC, "clang", "clang++", "rustc", "cicc", "ptxas"))
"""Processes that use a processor, by their name in the kernel; gcc only starts these.

lto1 changes its name to one of two more, by its task.
"""

_MESSAGES = (
    (b"is held to the jobs of this build", "a tool was given a -j of its own"),
    (b"jobserver unavailable", "make found no jobserver and continues with one job"),
    (b"resetting jobserver mode", "a make was given a -j of its own"),
    (b"disabling jobserver mode", "a make was given a -j of its own"),
    (b"also configured with an external jobserver", "cargo was given a -j, and ignores it"),
)
"""Messages of shims, GNU make and cargo, and the note for each."""
_NINJAS = frozenset(("ninja", "ninja-build", "samu"))
"""Programs that use a given ``-j`` without a message; make prints one."""
_JOBS_OPTION = re.compile(r"\s-j\s*(\d+)(?=\s|$)")
_MAX_SHOWN = 60
_MAX_MESSAGE = max(len(words) for words, _ in _MESSAGES)


class JobOveruseDetector:
    """Detects the overuse of one build; each note is returned once."""

    def __init__(self) -> None:
        self._reported: set[str] = set()
        self._excess_before = 0
        self._tail = b""

    def on_output(self, chunk: bytes) -> list[str]:
        """Return notes for a new chunk of the build's output."""
        text, self._tail = self._tail + chunk, chunk[-_MAX_MESSAGE:]
        found = [(message, note) for message, note in _MESSAGES if message in text]
        return self._unreported(
            f'{note}: "{message.decode()}" in its log' for message, note in found
        )

    def on_sample(self, processes: Iterable[ProcessSample], jobs: int) -> list[str]:
        """Return notes for a sample of the build's processes.

        Args:
            processes: all processes of the build.
            jobs: the number of jobs that it may use.
        """
        sample = tuple(processes)
        notes = self._unreported(_ninja_overrides(sample, jobs)) if not self._reported else []
        compilers = sum(process.name in COMPILERS for process in sample)
        return [*notes, *self._check_count(compilers, jobs)]

    def _check_count(self, running: int, jobs: int) -> list[str]:
        # One job may end and another start during a sample, so one sample alone proves nothing.
        excess = running - jobs
        exceeded, self._excess_before = min(self._excess_before, excess) > 0, excess
        if not exceeded or any("compilers" in note for note in self._reported):
            return []
        return self._unreported([f"it runs more compilers than it has jobs: {running} of {jobs}"])

    def _unreported(self, found: Iterable[str]) -> list[str]:
        new = [text for text in dict.fromkeys(found) if text not in self._reported]
        self._reported.update(new)
        return new


def _ninja_overrides(processes: Iterable[ProcessSample], jobs: int) -> Iterable[str]:
    for process in processes:
        option = _JOBS_OPTION.search(process.command) if process.name in _NINJAS else None
        if option and int(option[1]) > jobs:
            yield f"a ninja was given a -j of its own: {process.command[:_MAX_SHOWN]}"
