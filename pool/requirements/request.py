"""What a run is asked for as a whole: targets with all that was said about them, and the rules.

Plain data, and the words for it. The command line, requirement files, lock files and dependency
groups all end up as one `Request`; the engine cannot tell where a wish came from but by its
origin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name

from pool.common.errors import TargetError
from pool.common.redaction import redact_urls
from pool.requirements.target import GitTarget, Target, TreeTarget, parse_named

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from packaging.markers import Marker
    from packaging.requirements import Requirement

    from pool.sources.index.simple_api import IndexFile

__all__ = ["ALL", "Constraint", "FormatControl", "Request", "RequirementSpec", "parse_requirement"]

ALL, NONE = ":all:", ":none:"
"""Stand for every name and for no name, as with pip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementSpec:
    """One thing that the user named."""

    target: Target
    origin: str = ""
    """Where it was said: ``requirements.txt:3``; empty for the command line."""
    extras: frozenset[str] = frozenset()
    """Normalised; of a tree, an archive or a URL. A requirement has its own."""
    marker: Marker | None = None
    """Whether it is wanted at all, which depends on the interpreter."""
    hashes: frozenset[str] = frozenset()
    """``sha256:<digest>``: the file must have one of them; empty where all are good.

    The algorithm is any that pip takes (sha256, sha384, sha512; in fragments of URLs also md5,
    sha1 and sha224).
    """
    files: tuple[IndexFile, ...] = field(default=(), hash=False)
    """The files to choose from, where a lock file names them; empty where the index is asked."""
    editable: bool = False
    config_settings: Mapping[str, str | list[str]] = field(default_factory=dict, hash=False)
    """For its backend; they come before those of the whole run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A version that something must have if it is wanted at all (pip's ``-c``)."""

    requirement: Requirement
    """Without extras; a name with versions, or with a URL; the marker is still to be judged."""
    origin: str
    hashes: frozenset[str] = frozenset()
    """As a wish's: what a file of that name must have, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatControl:
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

    def without_binary(self, names: str) -> FormatControl:
        """Return what holds after one more ``--no-binary``.

        Args:
            names: with commas between them. `ALL` and ``:none:`` replace what was said before
                them; a name is taken from the other set. The order of options counts.
        """
        no_binary, only_binary = _told(names, self.no_binary, self.only_binary)
        return FormatControl(no_binary=no_binary, only_binary=only_binary)

    def with_only_binary(self, names: str) -> FormatControl:
        """Return what holds after one more ``--only-binary``; as `without_binary`."""
        only_binary, no_binary = _told(names, self.only_binary, self.no_binary)
        return FormatControl(no_binary=no_binary, only_binary=only_binary)

    @staticmethod
    def _allows(name: NormalizedName, banned: frozenset[str], asked: frozenset[str]) -> bool:
        # As with pip, a name said for itself counts more than all of them.
        return name not in banned and (ALL not in banned or name in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """All that a run is asked to provide."""

    wishes: tuple[RequirementSpec, ...]
    constraints: tuple[Constraint, ...] = ()
    formats: FormatControl = field(default_factory=FormatControl)
    pre: bool = False
    """Pre-releases count as any other version."""
    require_hashes: bool = False
    """What comes along must have demanded hashes, too."""
    locks: tuple[Path, ...] = ()
    """Lock files (PEP 751); what of them is wanted depends on the interpreter."""


def _told(
    names: str, mine: frozenset[str], others: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    said = [text for text in map(str.strip, names.split(",")) if text]
    for at, text in enumerate(said):
        if text == ALL:
            mine, others = frozenset({ALL}), frozenset()
            if NONE not in said[at:]:
                break  # as with pip: the names behind it are covered
        elif text == NONE:
            mine = frozenset()
        else:
            name = canonicalize_name(text)
            mine, others = mine | {name}, others - {name}
    return mine, others


def parse_requirement(
    text: str,
    cwd: Path,
    *,
    origin: str = "",
    editable: bool = False,
    bare_folders: bool = True,
) -> RequirementSpec:
    """Recognise what a user named, with its extras, marker and hashes.

    Args:
        text: as `parse_named` takes it.
        cwd: what relative paths are relative to.
        origin: where it was said, for messages.
        editable: it was said with ``-e``.
        bare_folders: as `parse_named` takes it.

    Raises:
        TargetError: it is nothing that can be built, or not editable.
    """
    named = parse_named(text, cwd, bare_folders=bare_folders or editable)
    if editable:
        _check_editable(named.target, text)
    return RequirementSpec(
        target=named.target,
        origin=origin,
        extras=named.extras,
        marker=named.marker,
        hashes=named.hashes,
        editable=editable,
    )


def _check_editable(target: Target, text: str) -> None:
    if isinstance(target, GitTarget):
        raise TargetError(
            f"{redact_urls(text)}: a repository cannot be editable",
            hint="clone it and name the folder",
        )
    if not isinstance(target, TreeTarget):
        raise TargetError(
            f"{redact_urls(text)}: only a project's folder can be editable",
            hint="name a folder with a pyproject.toml or a setup.py",
        )
