"""What a run is asked for as a whole: targets with all that was said about them, and the rules.

Plain data. The command line, requirement files, lock files and dependency groups all end up as
one `Request`; the engine cannot tell where a wish came from but by its origin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.markers import Marker
    from packaging.requirements import Requirement

    from pool.sources.page import IndexFile
    from pool.sources.target import Target

__all__ = ["ALL", "Constraint", "Formats", "Request", "Wish"]

ALL = ":all:"
"""Stands for every name, as with pip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One thing that the user named."""

    target: Target
    origin: str = ""
    """Where it was said: ``requirements.txt:3``; empty for the command line."""
    extras: frozenset[str] = frozenset()
    """Normalised; of a tree, an archive or a URL. A requirement has its own."""
    marker: Marker | None = None
    """Whether it is wanted at all, which depends on the interpreter."""
    hashes: frozenset[str] = frozenset()
    """``sha256:<digest>``: the file must have one of them; empty where all are good."""
    files: tuple[IndexFile, ...] = ()
    """The files to choose from, where a lock file names them; empty where the index is asked."""
    editable: bool = False
    config_settings: Mapping[str, str | list[str]] = field(default_factory=dict)
    """For its backend; they come before those of the whole run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A version that something must have if it is wanted at all (pip's ``-c``)."""

    requirement: Requirement
    """Without extras; a name with versions, or with a URL; the marker is still to be judged."""
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """Which names may come as wheels, and which as sdists: ``--only-binary``, ``--no-binary``."""

    no_binary: frozenset[str] = frozenset()
    """Normalised names that are always built, or `ALL`."""
    only_binary: frozenset[str] = frozenset()
    """Normalised names that are never built, or `ALL`."""

    def wheels(self, name: str) -> bool:
        """Tell whether a wheel of a project may be taken as it is."""
        return self._allows(canonicalize_name(name), self.no_binary, self.only_binary)

    def sdists(self, name: str) -> bool:
        """Tell whether a project may be built."""
        return self._allows(canonicalize_name(name), self.only_binary, self.no_binary)

    @staticmethod
    def _allows(name: NormalizedName, banned: frozenset[str], asked: frozenset[str]) -> bool:
        # As with pip, a name said for itself counts more than all of them.
        return name not in banned and (ALL not in banned or name in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """All that a run is asked to provide."""

    wishes: tuple[Wish, ...]
    constraints: tuple[Constraint, ...] = ()
    formats: Formats = field(default_factory=Formats)
    pre: bool = False
    """Pre-releases count as any other version."""
