"""Names of projects and their versions as normal forms (PEP 503, PEP 440), without `packaging`.

`packaging.utils` takes as long to import as Python takes to start. Every command compares names, so
their rule is repeated here, and tests compare it with that library; the library is imported only
for versions that are not in their normal form already.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

__all__ = ["canonicalize_name", "normalize_version", "parse_sdist_name"]

_NORMAL_VERSION = r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*(?:(?:a|b|rc)(?:0|[1-9][0-9]*))?"
_MAX_LENGTH = 100


def canonicalize_name(name: str) -> NormalizedName:
    """Return the name of a project in its normal form, as `packaging.utils` does (PEP 503)."""
    normal = name.lower().replace("_", "-").replace(".", "-")
    while "--" in normal:
        normal = normal.replace("--", "-")
    return cast("NormalizedName", normal)


def normalize_version(text: str) -> str:
    """Return a version in its normal form (PEP 440).

    Raises:
        packaging.version.InvalidVersion: it is no version.
    """
    if len(text) <= _MAX_LENGTH and _normal_version().fullmatch(text):
        return text
    from packaging.version import Version

    return str(Version(text))


def parse_sdist_name(filename: str) -> tuple[NormalizedName, str] | None:
    """Return the name and version in the file name of an sdist; None if it has none."""
    for suffix in (".tar.gz", ".zip"):
        name, _, version = filename.removesuffix(suffix).rpartition("-")
        if filename.endswith(suffix) and name:
            try:
                return canonicalize_name(name), normalize_version(version)
            except ValueError:
                return None
    return None


@cache
def _normal_version() -> re.Pattern[str]:
    return re.compile(_NORMAL_VERSION)
