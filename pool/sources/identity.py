"""The name and version that were chosen, compared with those of the wheel or the metadata.

A file of an index is chosen by its file name. Metadata and wheels that are described, built, cached
or fetched for it must have the same name and version, or a requirement would be met by another
project or version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pool.common.errors import ProjectError
from pool.common.pep508 import lenient_requirement
from pool.common.text import clean_text
from pool.sources.core_metadata import parse_headers

if TYPE_CHECKING:
    from pool.sources.index.simple_api import IndexFile

__all__ = ["ChosenDist", "chosen_file"]

_HINT = "choose another version, or report it to the project"


class ChosenDist(msgspec.Struct, frozen=True, kw_only=True):
    """The chosen name and version; None if any is right."""

    label: str
    """For messages: the file name, or the title of the build."""
    name: str | None = None
    version: str | None = None

    def check(self, name: str, version: str) -> None:
        """Compare with the name and version of a wheel or of metadata.

        Versions are compared as PEP 440 does: ``1.0`` is ``1``.

        Raises:
            ProjectError: they differ.
        """
        if self.name and canonicalize_name(self.name) != canonicalize_name(name):
            raise self._error("name", self.name, name)
        if self.version and not _is_same_version(self.version, version):
            raise self._error("version", self.version, version)

    def check_metadata(self, metadata: str) -> None:
        """Compare with the text of METADATA or PKG-INFO, as `check` does."""
        headers = parse_headers(metadata)
        self.check(str(headers["Name"]).strip(), str(headers["Version"]).strip())

    def check_requirements(self, listed: str | None, metadata: str) -> None:
        """Compare the requirements of METADATA beside a wheel with those of the wheel itself.

        Args:
            listed: the METADATA by which dependencies were resolved; None if it was the wheel's.
            metadata: that of the wheel.

        Raises:
            ProjectError: they differ, so other dependencies would be needed.
        """
        if listed is None or (own := _requirements(metadata)) == (other := _requirements(listed)):
            return
        differing = ", ".join(sorted(own ^ other))
        raise ProjectError(
            f"{self.label}: the METADATA beside it on the index has other requirements"
            f" than the wheel: {clean_text(differing)}",
            hint=f"report it to the index, or build it from source: --no-binary {self.name}",
        )

    def _error(self, field: str, expected: str, found: str) -> ProjectError:
        message = f"inconsistent {field}: expected {expected}, but its metadata has {found}"
        return ProjectError(f"{self.label} has {clean_text(message)}", hint=_HINT)


def chosen_file(file: IndexFile) -> ChosenDist:
    """Return the name and version for which a file of an index was chosen."""
    return ChosenDist(label=file.filename, name=file.project, version=file.version)


def _requirements(metadata: str) -> set[str]:
    """Return the requirements of METADATA, however they are spelled."""
    texts = parse_headers(metadata).get_all("Requires-Dist") or []
    return set(map(_spell_requirement, map(str, texts)))


def _spell_requirement(text: str) -> str:
    try:
        return str(lenient_requirement(text))
    except InvalidRequirement:
        return " ".join(text.split())


def _is_same_version(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except ValueError:  # no version, or a number with thousands of digits
        return one == other
