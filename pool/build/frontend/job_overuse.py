"""How it is noticed that a build takes more jobs than it was given; pure, one for each build.

Deliberately no more than a mark: what a user told a tool outright (``make -j8`` in a setup.py) is
the user's will, and nothing is ended for it.
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
"""Processes that keep a processor busy, by the name that the kernel has; gcc only starts these.

lto1 gives itself two names more, by what it does.
"""

_SAYINGS = (
    (b"jobserver unavailable", "make found no jobserver and goes on with one job"),
    (b"resetting jobserver mode", "a make was given a -j of its own"),
    (b"disabling jobserver mode", "a make was given a -j of its own"),
    (b"also configured with an external jobserver", "cargo was given a -j, and leaves it aside"),
)
"""What tools print: GNU make's and cargo's own words."""
_RUNNERS = frozenset(("ninja", "ninja-build", "samu"))
"""What goes on in silence with the number that it was given; make says so itself."""
_NUMBER = re.compile(r"\s-j\s*(\d+)(?=\s|$)")
_LONGEST_SHOWN = 60
_LONGEST = max(len(words) for words, _ in _SAYINGS)


class JobOveruseDetector:
    """What was noticed of one build; each thing is told once."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._before = 0
        self._tail = b""

    def on_output(self, chunk: bytes) -> list[str]:
        """Return what more of a build's output tells, in words for the user."""
        text, self._tail = self._tail + chunk, chunk[-_LONGEST:]
        found = [(words, what) for words, what in _SAYINGS if words in text]
        return self._new(f'{what}: "{words.decode()}" in its log' for words, what in found)

    def on_sample(self, processes: Iterable[ProcessSample], jobs: int) -> list[str]:
        """Return what a look at a build's processes tells, in words for the user.

        Args:
            processes: all that it has.
            jobs: how many it may run.
        """
        seen = tuple(processes)
        numbered = self._new(_numbered(seen, jobs)) if not self._told else []
        return [*numbered, *self._counted(sum(one.name in COMPILERS for one in seen), jobs)]

    def _counted(self, running: int, jobs: int) -> list[str]:
        # A job may end and another begin while we look: once is nothing.
        above, self._before = min(self._before, running - jobs) > 0, running - jobs
        if not above or any("compilers" in told for told in self._told):
            return []
        return self._new([f"it runs more compilers than it has jobs: {running} of {jobs}"])

    def _new(self, found: Iterable[str]) -> list[str]:
        new = [text for text in dict.fromkeys(found) if text not in self._told]
        self._told.update(new)
        return new


def _numbered(processes: Iterable[ProcessSample], jobs: int) -> Iterable[str]:
    for one in processes:
        number = _NUMBER.search(one.command) if one.name in _RUNNERS else None
        if number and int(number[1]) > jobs:
            short = one.command[:_LONGEST_SHOWN]
            yield f"a ninja was given a -j of its own: {short}"
