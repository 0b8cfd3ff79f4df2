"""The message for a resolution that is impossible: conflicting requirements and their origins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.errors import RequirementError
from pool.resolve.candidates import best_file, explain_absence, group_by_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pool.resolve.manifest import RequirementInfo
    from pool.resolve.provider import Provider

__all__ = ["explain_conflict"]


def explain_conflict(
    causes: Iterable[RequirementInfo], provider: Provider, places: str
) -> RequirementError:
    """Return the error for a conflict.

    Args:
        causes: the requirements that exclude each other.
        provider: the provider of the failed resolution.
        places: the indexes and find-links that were searched.
    """
    requirements = {str(cause): cause for cause in causes}
    for text, one in sorted(requirements.items()):
        if not one.is_impossible and (reason := _explain_unsatisfiable(one, provider)):
            return RequirementError(f"{text}, but {reason}", hint=_searched(places))
    for text, one in sorted(requirements.items()):
        if reason := _explain_unreadable(one, provider):
            return RequirementError(reason if one.unreadable else f"{text}, but {reason}")
    for text, one in sorted(requirements.items()):
        if pairs := provider.ruled_out.get(one.name):
            return RequirementError(
                f"requirements that exclude each other: {_explain_exclusion(text, pairs)}"
            )
    names = {one.name for one in requirements.values() if not one.is_impossible}
    constraints = {str(one) for name in names for one in provider.constraints(name)}
    version = provider.target.python_version
    python = (
        f"; this is Python {version}" if any(one.is_python for one in requirements.values()) else ""
    )
    conflict = "; ".join([*sorted(requirements), *sorted(constraints)])
    return RequirementError(f"requirements that exclude each other: {conflict}{python}")


def _searched(places: str) -> str:
    advice = "check the name and the version"
    return f"{advice}; searched: {places}" if places else advice


def _explain_exclusion(text: str, pairs: Sequence[tuple[RequirementInfo, RequirementInfo]]) -> str:
    """Describe versions whose own requirements cannot be satisfied."""
    requirement, conflicting = pairs[0]
    more = f" (and {len(pairs) - 1} more versions alike)" if len(pairs) > 1 else ""
    return f"{text}; {requirement}{more}; {conflicting}"


def _explain_unreadable(info: RequirementInfo, provider: Provider) -> str:
    """Return which versions have metadata that cannot be read; empty if none has."""
    if info.unreadable:
        return str(info)
    reasons = [
        f"{info.name} {version} {reason}"
        for version, reason in provider.unreadable.get(info.name, {}).items()
    ]
    more = f"; {len(reasons) - 1} more versions alike" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}" if reasons else ""


def _explain_unsatisfiable(info: RequirementInfo, provider: Provider) -> str:
    """Return why a requirement cannot be satisfied even alone; empty if it can."""
    store, manifest = provider.store, provider.manifest
    if info.requirement.url or (not manifest.files.get(info.name) and info.name not in store.pages):
        return ""
    page = manifest.files.get(info.name) or store.pages[info.name]
    target, formats = provider.target, manifest.formats
    ranks = {tag: rank for rank, tag in enumerate(target.tags)}
    groups = group_by_version(info.requirement.specifier, page, pre=manifest.pre).values()
    wheels, sdists = formats.allows_wheels(info.name), formats.allows_sdists(info.name)
    if any(best_file(files, target, ranks, wheels=wheels, sdists=sdists) for files in groups):
        return ""
    if any(best_file(files, target, ranks) for files in groups):
        return _explain_format(info, provider)
    return explain_absence(info.requirement.specifier, page, target)


def _explain_format(info: RequirementInfo, provider: Provider) -> str:
    if provider.manifest.formats.allows_wheels(info.name):
        return "there are only sdists, and --only-binary forbids to build it"
    return "there are only wheels, and --no-binary forbids to take one"
