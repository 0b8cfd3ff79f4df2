"""Whether what was installed fits: requirements of, and on, the distributions that changed.

What ``pip check`` looks at, but only where something changed; what was broken before is not news.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pool.install.installed import Installed

__all__ = ["unmet_requirements"]

_FIELD = "requires-dist:"
_NAME = re.compile(r"[\w.-]+")


def unmet_requirements(
    after: Mapping[NormalizedName, Installed],
    changed: Collection[NormalizedName],
    environment: Mapping[str, str],
) -> list[str]:
    """Return a sentence for each requirement that is not met.

    Args:
        after: what is installed now.
        changed: the names of what was installed or removed.
        environment: the values of markers, of the environment's interpreter.
    """
    values = {**environment, "extra": ""}
    return [
        sentence
        for one in after.values()
        for text in _requirements(one.metadata)
        if (sentence := _unmet(one, text, after, changed, values))
    ]


def _requirements(metadata: str) -> Iterator[str]:
    for line in metadata.splitlines():
        if not line:
            return  # The description begins.
        if line[: len(_FIELD)].lower() == _FIELD:
            yield line[len(_FIELD) :].strip()


def _unmet(
    one: Installed,
    text: str,
    after: Mapping[NormalizedName, Installed],
    changed: Collection[NormalizedName],
    values: Mapping[str, str],
) -> str | None:
    # Parsing all requirements of a large environment takes longer than all the rest.
    named = _NAME.match(text)
    name = canonicalize_name(named.group()) if named else NormalizedName("")
    if one.name not in changed and name not in changed:
        return None
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None  # pip refuses such metadata long before.
    if requirement.marker is not None and not requirement.marker.evaluate(dict(values)):
        return None
    if (other := after.get(name)) is None:
        return f"{one.name} {one.version} needs {_short(requirement)}, which is not installed"
    if _fits(requirement, other.version):
        return None
    return f"{one.name} {one.version} needs {_short(requirement)}, but {name} is {other.version}"


def _fits(requirement: Requirement, version: str) -> bool:
    try:
        return not version or requirement.specifier.contains(version, prereleases=True)
    except InvalidVersion:
        return False


def _short(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"
