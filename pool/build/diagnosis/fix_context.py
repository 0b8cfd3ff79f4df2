"""The facts beside the log that a fix depends on: the source, the interpreter, the distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from pool.common.record import Record

if TYPE_CHECKING:
    from pool.build.diagnosis.package_manager import PackageManager

__all__ = ["UNKNOWN_CONTEXT", "FixContext", "SourceKind"]

SourceKind: TypeAlias = Literal["index", "archive", "git", "tree", "unknown"]
"""Where a source comes from: only the user of a ``tree`` can edit it in place."""


class FixContext(Record, frozen=True, kw_only=True):
    """The facts about a failed build that decide which fix its user can carry out."""

    source: SourceKind = "unknown"
    name: str = ""
    """The project; empty if unknown."""
    version: str = ""
    """Empty if unknown."""
    tree: str = ""
    """The folder of a ``tree``, as its user named it."""
    python: str = ""
    """The version of the interpreter that builds, such as ``3.12``; empty if unknown."""
    isolated: bool = True
    """Whether it is built in an environment of its own."""
    manager: PackageManager | None = None
    """The package manager of the machine that builds; None if unknown."""

    @property
    def pyproject(self) -> str:
        """The name of the project's pyproject.toml in a sentence."""
        return f"{self.tree.rstrip('/')}/pyproject.toml" if self.tree else "its pyproject.toml"


UNKNOWN_CONTEXT = FixContext()
"""For a log without its build, such as that of another machine."""
