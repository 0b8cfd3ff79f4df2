"""The interpreter that files and markers are selected for, as far as selecting needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.tags import Tag

__all__ = ["TargetPython"]


class TargetPython(Protocol):
    """An interpreter's version, markers and tags (`pool.system.interpreter.Interpreter`)."""

    @property
    def python_version(self) -> str:
        """The full version: ``3.11.7``."""
        ...

    @property
    def environment(self) -> dict[str, str]:
        """The values of environment markers."""
        ...

    @property
    def tags(self) -> Sequence[Tag]:
        """The wheel tags that it supports, best first."""
        ...
