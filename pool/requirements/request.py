"""The request of a run: requirements with their options and origins, constraints, and rules.

Plain data. Command line, requirements files, lock files and dependency groups all become one
`Request`; the engine distinguishes their requirements only by the origin, for messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import field

from pool.common.errors import TargetError
from pool.common.record import Record
from pool.common.redaction import redact_urls
from pool.requirements.target import (
    GitTarget,
    RequirementTarget,
    Target,
    TreeTarget,
    parse_target_and_extras,
)
from pool.sources.names import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from packaging.markers import Marker
    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName

    from pool.sources.index.simple_api import IndexFile

__all__ = ["ALL", "Constraint", "FormatControl", "Request", "RequirementSpec", "parse_requirement"]

ALL, NONE = ":all:", ":none:"
"""All names and no name, as in pip."""


class RequirementSpec(Record, frozen=True, kw_only=True):
    """One requirement of the user, with its options."""

    target: Target
    origin: str = ""
    """The file and line, ``requirements.txt:3``; empty for the command line."""
    extras: frozenset[str] = frozenset()
    """Normalized; of a tree, an archive or a URL. A `RequirementTarget` has its own."""
    marker: Marker | None = None
    """The requirement is ignored if its marker is false for the interpreter."""
    hashes: frozenset[str] = frozenset()
    """``sha256:<digest>``: the file must have one of them, if there are any.

    The algorithm is any that pip supports (sha256, sha384, sha512; in fragments of URLs also md5,
    sha1 and sha224).
    """
    files: tuple[IndexFile, ...] = ()
    """The files that a lock file names; empty if files come from the index."""
    editable: bool = False
    config_settings: Mapping[str, str | list[str]] = {}
    """For its build backend; they override those of the run."""

    def __hash__(self) -> int:
        return hash(
            (self.target, self.origin, self.extras, self.marker, self.hashes, self.editable)
        )

    @property
    def hash_name(self) -> NormalizedName | None:
        """The name by which a constraint can give it hashes; None for folders and repositories."""
        target = self.target
        if isinstance(target, TreeTarget | GitTarget):
            return None
        name = target.parsed.name if isinstance(target, RequirementTarget) else target.name
        return canonicalize_name(name) if name else None


class Constraint(Record, frozen=True, kw_only=True):
    """A constraint on the version of a project that something else requires (pip's ``-c``)."""

    requirement: Requirement
    """A name with versions, or with a URL; no extras; the marker is not evaluated yet."""
    origin: str
    hashes: frozenset[str] = frozenset()
    """As of `RequirementSpec`: a file of that project must have one of them."""


class FormatControl(Record, frozen=True, kw_only=True):
    """Which projects may use wheels, and which may be built: ``--no-binary``, ``--only-binary``."""

    no_binary: frozenset[str] = frozenset()
    """Normalized names that are always built, or `ALL`."""
    only_binary: frozenset[str] = frozenset()
    """Normalized names that are never built, or `ALL`."""

    def allows_wheels(self, name: str) -> bool:
        """Return whether a wheel of a project may be used."""
        return self._allows(canonicalize_name(name), self.no_binary, self.only_binary)

    def allows_sdists(self, name: str) -> bool:
        """Return whether a project may be built from source."""
        return self._allows(canonicalize_name(name), self.only_binary, self.no_binary)

    def with_no_binary(self, names: str) -> FormatControl:
        """Return a copy with one more ``--no-binary``.

        Args:
            names: separated by commas. `ALL` and ``:none:`` replace earlier names; a name is
                removed from the other set. So the order of options matters.
        """
        no_binary, only_binary = _apply_names(names, self.no_binary, self.only_binary)
        return FormatControl(no_binary=no_binary, only_binary=only_binary)

    def with_only_binary(self, names: str) -> FormatControl:
        """Return a copy with one more ``--only-binary``; as `with_no_binary`."""
        only_binary, no_binary = _apply_names(names, self.only_binary, self.no_binary)
        return FormatControl(no_binary=no_binary, only_binary=only_binary)

    @staticmethod
    def _allows(name: NormalizedName, excluded: frozenset[str], included: frozenset[str]) -> bool:
        # As in pip, a name takes precedence over `ALL`.
        return name not in excluded and (ALL not in excluded or name in included)


class Request(Record, frozen=True, kw_only=True):
    """The requirements of a run, and the rules for resolving them."""

    requirements: tuple[RequirementSpec, ...]
    constraints: tuple[Constraint, ...] = ()
    formats: FormatControl = field(default_factory=FormatControl)
    pre: bool = False
    """Whether pre-releases are allowed for all projects."""
    require_hashes: bool = False
    """Whether dependencies need hashes, too."""
    locks: tuple[Path, ...] = ()
    """Lock files (PEP 751), read once the interpreter is known."""


def _apply_names(
    names: str, own: frozenset[str], other: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    parts = [text for text in map(str.strip, names.split(",")) if text]
    for at, text in enumerate(parts):
        if text == ALL:
            own, other = frozenset({ALL}), frozenset()
            if NONE not in parts[at:]:
                break  # As in pip: it covers the names after it.
        elif text == NONE:
            own = frozenset()
        else:
            name = canonicalize_name(text)
            own, other = own | {name}, other - {name}
    return own, other


def parse_requirement(
    text: str,
    cwd: Path,
    *,
    origin: str = "",
    editable: bool = False,
    bare_folders: bool = True,
) -> RequirementSpec:
    """Parse a requirement with its extras, marker and hashes.

    Args:
        text: as for `parse_target_and_extras`.
        cwd: the folder of relative paths.
        origin: file and line, for messages.
        editable: whether it was given with ``-e``.
        bare_folders: as for `parse_target_and_extras`.

    Raises:
        TargetError: it cannot be built, or not be editable.
    """
    parsed = parse_target_and_extras(text, cwd, bare_folders=bare_folders or editable)
    if editable:
        _check_editable(parsed.target, text)
    return RequirementSpec(
        target=parsed.target,
        origin=origin,
        extras=parsed.extras,
        marker=parsed.marker,
        hashes=parsed.hashes,
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
