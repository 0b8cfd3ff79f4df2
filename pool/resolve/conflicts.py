"""A resolution that is impossible, in words: who asked for what, and what there is instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.errors import RequirementError
from pool.resolve.candidates import by_version, usable, why_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pool.resolve.manifest import RequirementInfo
    from pool.resolve.provider import Provider

__all__ = ["explained"]


def explained(
    causes: Iterable[RequirementInfo], provider: Provider, where: str
) -> RequirementError:
    """Put a conflict into words.

    Args:
        causes: the requirements that cannot be had together.
        provider: what was asked, and what is known.
        where: the places that were looked at.
    """
    needs = {str(cause): cause for cause in causes}
    for text, need in sorted(needs.items()):
        if not need.python and (why := _why_not(need, provider)):
            return RequirementError(
                f"{text}, but {why}", hint=f"looked at {where}" if where else ""
            )
    for text, need in sorted(needs.items()):
        if pairs := provider.ruled_out.get(need.name):
            return RequirementError(f"requirements that exclude each other: {_ruled(text, pairs)}")
    names = {need.name for need in needs.values() if not need.python}
    limits = {str(limit) for name in names for limit in provider.limits(name)}
    version = provider.target.python_version
    python = f"; this is Python {version}" if any(n.python for n in needs.values()) else ""
    asked = "; ".join([*sorted(needs), *sorted(limits)])
    return RequirementError(f"requirements that exclude each other: {asked}{python}")


def _ruled(text: str, pairs: Sequence[tuple[RequirementInfo, RequirementInfo]]) -> str:
    """Say what the versions of something need that cannot be had."""
    needed, against = pairs[0]
    more = f" (and {len(pairs) - 1} more versions the like)" if len(pairs) > 1 else ""
    return f"{text}; {needed}{more}; {against}"


def _why_not(need: RequirementInfo, provider: Provider) -> str:
    """Say why a requirement cannot be satisfied even alone; empty if it can."""
    facts, asked = provider.facts, provider.asked
    if need.requirement.url or (not asked.files.get(need.name) and need.name not in facts.pages):
        return ""
    page = asked.files.get(need.name) or facts.pages[need.name]
    target, formats = provider.target, asked.formats
    ranks = {tag: rank for rank, tag in enumerate(target.tags)}
    groups = by_version(need.requirement.specifier, page, pre=asked.pre).values()
    wheels, sdists = formats.wheels(need.name), formats.sdists(need.name)
    if any(usable(files, target, ranks, wheels=wheels, sdists=sdists) for files in groups):
        return ""
    if any(usable(files, target, ranks) for files in groups):
        return _forbidden(need, provider)
    return why_none(need.requirement.specifier, page, target)


def _forbidden(need: RequirementInfo, provider: Provider) -> str:
    if provider.asked.formats.wheels(need.name):
        return "there are only sdists, and --only-binary forbids to build it"
    return "there are only wheels, and --no-binary forbids to take one"
