"""What a user can ask for, recognised from the words of a command line.

A new kind of target begins here: a class, its place in `Target`, and a case in `parse_target`.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from packaging.requirements import InvalidRequirement, Requirement

from pool.errors import TargetError
from pool.sources.archive import SUFFIXES
from pool.sources.secret import masked

__all__ = [
    "GitTarget",
    "RequirementTarget",
    "SdistTarget",
    "Target",
    "TreeTarget",
    "UrlTarget",
    "WheelTarget",
    "is_project",
    "parse_target",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeTarget:
    """A directory with a project in it."""

    path: Path
    """Absolute, without symbolic links."""
    label: str = field(default="", compare=False)
    """What the user typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistTarget:
    """A source archive on this machine."""

    path: Path
    label: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementTarget:
    """A name, maybe with versions, to be found on an index."""

    parsed: Requirement

    @property
    def label(self) -> str:
        """The requirement as text."""
        return str(self.parsed)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelTarget:
    """A wheel on this machine."""

    path: Path
    label: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlTarget:
    """An sdist or a wheel at a URL (PEP 508 direct reference, or the bare URL)."""

    url: str
    """Without fragment; may hold credentials."""
    name: str | None = None
    """Where ``name @ url`` says it."""
    subdirectory: str = ""
    """Where the project is in the archive (``#subdirectory=``)."""
    label: str = field(default="", compare=False)
    """Without credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitTarget:
    """A commit of a git repository (``git+https://host/repo@ref#subdirectory=sub``)."""

    url: str
    """What git clones: without ``git+``, reference and fragment; may hold credentials."""
    reference: str = ""
    """A commit, tag or branch; empty for the default branch."""
    name: str | None = None
    subdirectory: str = ""
    label: str = field(default="", compare=False)
    """Without credentials."""


Target: TypeAlias = TreeTarget | SdistTarget | RequirementTarget

# https://..., git+ssh://..., name @ https://..., name[extra]@file:...
_URL = re.compile(
    r"(?:[\w.-]+\s*(?:\[[^]]*\])?\s*@\s*)?(?:[A-Za-z][\w+.-]*://|file:|git@)|[\w.-]+\s+@\s"
)


def parse_target(text: str, cwd: Path) -> Target:
    """Recognise one target.

    A bare word is a requirement, as with pip, unless it names a project's directory or an
    archive that is there.

    Raises:
        TargetError: it is nothing that can be built; the message names it.
    """
    if not text.strip():
        raise TargetError("an empty target: name a folder, an sdist or a requirement")
    if _URL.match(text):
        raise _no_url(text)
    try:
        path = cwd / Path(text).expanduser()
        if _looks_like_path(text) or is_project(path) or path.is_file():
            return _local(text, path)
    except RuntimeError as problem:
        raise TargetError(f"{text}: there is no such user") from problem
    except OSError as problem:
        # A requirement may be longer than a file's name can be.
        if _looks_like_path(text) or problem.errno != errno.ENAMETOOLONG:
            raise TargetError(f"{text}: {(problem.strerror or str(problem)).lower()}") from problem
    return RequirementTarget(parsed=_requirement(text))


def is_project(path: Path) -> bool:
    """Tell whether a directory holds something that can be built."""
    return any((path / name).is_file() for name in ("pyproject.toml", "setup.py"))


def _looks_like_path(text: str) -> bool:
    return "/" in text or text.startswith((".", "~")) or text.endswith((*SUFFIXES, ".whl"))


def _local(text: str, path: Path) -> TreeTarget | SdistTarget:
    if path.is_dir():
        if not is_project(path):
            raise TargetError(f"{text}: not a project: it has no pyproject.toml and no setup.py")
        return TreeTarget(path=path.resolve(), label=text)
    if not path.exists():
        raise TargetError(f"{text}: no such file or directory")
    if path.suffix == ".whl":
        raise TargetError(f"{text}: is a wheel already; there is nothing to build")
    if not path.is_file():
        raise TargetError(f"{text}: neither a folder nor a file")
    if not path.name.endswith(SUFFIXES):
        raise TargetError(f"{text}: not a source archive (.tar.gz or .zip)")
    return SdistTarget(path=path.resolve(), label=text)


def _no_url(text: str) -> TargetError:
    return TargetError(
        f"{masked(text)}: URLs cannot be built from yet",
        hint="download the sdist and name the file",
    )


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as problem:
        reason = str(problem).splitlines()[0].lower()
        raise TargetError(
            f"{masked(text)!r}: neither a path that is there nor a requirement: {reason}",
            hint="a path has a slash in it, a requirement looks like name==1.0",
        ) from problem
