"""Unmet requirements after an installation, as ``pip check`` reports them.

Deliberately limited to requirements of and on changed distributions: requirements that were unmet
before are not reported again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement
from packaging.utils import NormalizedName, canonicalize_name

from pool.common.errors import RequirementError
from pool.common.pep508 import lenient_requirement
from pool.common.text import clean_text
from pool.requirements.markers import requirement_applies

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from packaging.requirements import Requirement

    from pool.install.installed import InstalledDistribution

__all__ = ["unmet_requirements"]

_FIELD = "requires-dist:"
_NAME = re.compile(r"[\w.-]+")


def unmet_requirements(
    after: Mapping[NormalizedName, InstalledDistribution],
    changed: Collection[NormalizedName],
    environment: Mapping[str, str],
) -> list[str]:
    """Return a sentence for each requirement that is not met.

    Args:
        after: the installed distributions.
        changed: the names of installed and removed distributions.
        environment: the marker values of the environment's interpreter.
    """
    values = {**environment, "extra": ""}
    return [
        sentence
        for dist in after.values()
        for text in _requirements(dist.metadata)
        if (sentence := _format_unmet(dist, text, after, changed, values))
    ]


def _requirements(metadata: str) -> Iterator[str]:
    for line in metadata.splitlines():
        if not line:
            return  # The headers end here.
        if line[: len(_FIELD)].lower() == _FIELD:
            yield line[len(_FIELD) :].strip()


def _format_unmet(
    dist: InstalledDistribution,
    text: str,
    after: Mapping[NormalizedName, InstalledDistribution],
    changed: Collection[NormalizedName],
    values: Mapping[str, str],
) -> str | None:
    # Names are compared first: to parse all requirements of a large environment takes longer than
    # everything else.
    match = _NAME.match(text)
    name = canonicalize_name(match.group()) if match else NormalizedName("")
    if dist.name not in changed and name not in changed:
        return None
    title = f"{dist.name} {dist.version}"
    try:
        requirement = lenient_requirement(text)
        applies = requirement_applies(requirement, values)
    except (InvalidRequirement, RequirementError):
        # Such metadata is rejected before it is installed, except with --no-deps.
        return f"{title} has a requirement that cannot be read: {clean_text(text)!r}"
    if not applies:
        return None
    if (other := after.get(name)) is None:
        return f"{title} needs {_format_requirement(requirement)}, which is not installed"
    if _is_satisfied(requirement, other.version):
        return None
    return f"{title} needs {_format_requirement(requirement)}, but {name} is {other.version}"


def _is_satisfied(requirement: Requirement, version: str) -> bool:
    try:
        return not version or requirement.specifier.contains(version, prereleases=True)
    except ValueError:
        return False


def _format_requirement(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"
