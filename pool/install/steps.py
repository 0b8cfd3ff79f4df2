"""Steps of a plan, done or taken back, from wherever they were interrupted.

Each looks at what is there before it touches it, so doing one again changes nothing. What somebody
else put there in the meantime is left alone.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pool.install.plan import Plan, Step, identity

if TYPE_CHECKING:
    from pool.install.filesystem import Filesystem

__all__ = ["Steps"]


class Steps:
    """The steps of one plan.

    Args:
        plan: what is to be done.
        root: the folder of the environment.
        folder: that of the set: ``new/`` as laid out, ``old/`` for what goes.
        disk: changes it.
    """

    def __init__(self, plan: Plan, *, root: str, folder: str, disk: Filesystem) -> None:
        self._plan = plan
        self._root = root
        self._folder = folder
        self._disk = disk
        self.left_alone: list[str] = []
        """Paths where somebody else was meanwhile."""

    def forward(self) -> None:
        """Do what is not done yet.

        Raises:
            OSError: a step does not work; nothing after it is done.
        """
        for number, step in enumerate(self._plan.steps):
            self._forward(number, step)

    def backward(self) -> None:
        """Take back what is done.

        Raises:
            OSError: a step cannot be taken back; those before it are still done.
        """
        for number, step in reversed(list(enumerate(self._plan.steps))):
            self._backward(number, step)

    def _forward(self, number: int, step: Step) -> None:
        place, new, old = self._places(number, step)
        there = identity(place)
        match step.kind:
            case "rmdir":
                self._rmdir(place)
            case "trash" if there == step.old:
                self._disk.rename(place, old)
            case "put" if there is None and identity(new) == step.new:
                self._disk.rename(new, place)
            case "swap" if there == step.old and identity(new) == step.new:
                if not self._disk.exchange(new, place):
                    self._disk.rename(place, old)
                    self._disk.rename(new, place)
            case "swap" if there is None and identity(old) == step.old:
                self._disk.rename(new, place)
            case _ if there != step.new:
                self.left_alone.append(place)

    def _backward(self, number: int, step: Step) -> None:
        place, new, old = self._places(number, step)
        there = identity(place)
        match step.kind:
            case "rmdir":
                with suppress(FileExistsError):
                    self._disk.mkdir(place)
            case "trash" if there is None and identity(old) == step.old:
                self._disk.rename(old, place)
            case "put" if there == step.new:
                self._disk.rename(place, new)
            case "swap" if there == step.new and identity(new) == step.old:
                if not self._disk.exchange(new, place):
                    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), place)
            case "swap" if identity(old) == step.old:
                if there == step.new:
                    self._disk.rename(place, new)
                self._disk.rename(old, place)
            case _:
                pass  # It was not done.

    def _places(self, number: int, step: Step) -> tuple[str, str, str]:
        """Return where it is to be, where it is laid out, and where the old one goes."""
        return (
            f"{self._root}/{step.path}",
            f"{self._folder}/new/{step.path}",
            f"{self._folder}/old/{number}",
        )

    def _rmdir(self, place: str) -> None:
        try:
            self._disk.rmdir(place)
        except OSError as problem:
            if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise
