"""Environment markers: whether a requirement counts for an interpreter (PEP 508)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

from pool.common.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.markers import Marker
    from packaging.requirements import Requirement

__all__ = ["holds", "marker_holds"]


def holds(
    requirement: Requirement, environment: Mapping[str, str], extras: Iterable[str] = ("",)
) -> bool:
    """Tell whether a requirement counts, for one of the extras.

    Raises:
        RequirementError: its marker has no meaning.
    """
    return marker_holds(requirement.marker, environment, extras, str(requirement))


def marker_holds(
    marker: Marker | None, environment: Mapping[str, str], extras: Iterable[str], whose: str
) -> bool:
    """Tell whether a marker holds; no marker always does. ``whose`` is for the message.

    Raises:
        RequirementError: it has no meaning.
    """
    if marker is None:
        return True
    try:
        return any(marker.evaluate({**environment, "extra": one}) for one in extras)
    except (UndefinedComparison, UndefinedEnvironmentName) as problem:
        raise RequirementError(f"{whose}: its marker has no meaning: {problem}") from problem
