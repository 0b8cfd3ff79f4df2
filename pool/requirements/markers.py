"""Environment markers: whether a requirement applies to an interpreter (PEP 508)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

from pool.common.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.markers import Marker
    from packaging.requirements import Requirement

__all__ = ["marker_applies", "requirement_applies"]


def requirement_applies(
    requirement: Requirement, environment: Mapping[str, str], extras: Iterable[str] = ("",)
) -> bool:
    """Return whether a requirement applies, with any one of the extras.

    Raises:
        RequirementError: the marker cannot be evaluated.
    """
    return marker_applies(requirement.marker, environment, extras, str(requirement))


def marker_applies(
    marker: Marker | None, environment: Mapping[str, str], extras: Iterable[str], label: str
) -> bool:
    """Return whether a marker is true; a missing marker is. ``label`` is for the message.

    Raises:
        RequirementError: the marker cannot be evaluated.
    """
    if marker is None:
        return True
    try:
        return any(marker.evaluate({**environment, "extra": one}) for one in extras)
    except (UndefinedComparison, UndefinedEnvironmentName, ValueError) as problem:
        raise RequirementError(f"{label}: its marker has no meaning: {problem}") from problem
