"""What was chosen, in words: who asked for it, and why it is not a newer version. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pool.events.types import SelectedVersion
from pool.resolve.candidates import runs_on, usable, version_of
from pool.resolve.manifest import DirectDist, InstalledDist
from pool.resolve.provider import Provider
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.version import Version

    from pool.requirements.target_python import TargetPython
    from pool.resolve.manifest import Candidate, Manifest, RequirementInfo
    from pool.resolve.provider import MetadataStore
    from pool.resolve.resolver import Resolution

__all__ = ["explain_selection"]

_NAMED = 5
"""So many newer versions are told about."""


def explain_selection(
    resolution: Resolution, asked: Manifest, facts: MetadataStore, target: TargetPython
) -> tuple[SelectedVersion, ...]:
    """Tell all choices of a resolution."""
    provider = Provider(asked, facts, target)
    return tuple(
        SelectedVersion(
            name=choice.name,
            version=str(choice.version),
            kind=_kind(choice),
            file=choice.origin.filename if isinstance(choice.origin, IndexFile) else "",
            by=tuple(str(need) for need in resolution.by.get(choice.name, ())),
            passed_over=_passed_over(choice, resolution.by.get(choice.name, ()), provider),
        )
        for choice in resolution.choices
    )


def _kind(choice: Candidate) -> Literal["wheel", "sdist", "direct", "installed"]:
    match choice.origin:
        case DirectDist():
            return "direct"
        case InstalledDist():
            return "installed"
        case file:
            return file.kind


def _passed_over(
    choice: Candidate, by: Sequence[RequirementInfo], provider: Provider
) -> tuple[str, ...]:
    """Say of each newer version of a choice why it was not taken, the newest first."""
    if not isinstance(choice.origin, IndexFile):
        return ()
    page = provider.facts.pages.get(choice.name, ())
    newer: dict[Version, list[IndexFile]] = {}
    for file in page:
        if (version := version_of(file.version)) > choice.version:
            newer.setdefault(version, []).append(file)
    told = [
        f"{version}: {_reason(version, newer[version], by, choice, provider)}"
        for version in sorted(newer, reverse=True)[:_NAMED]
    ]
    more = len(newer) - len(told)
    return (*told, f"and {more} more") if more > 0 else tuple(told)


def _reason(
    version: Version,
    files: Sequence[IndexFile],
    by: Sequence[RequirementInfo],
    choice: Candidate,
    provider: Provider,
) -> str:
    for need in (*by, *provider.limits(choice.name)):
        if not need.requirement.specifier.contains(version, prereleases=True):
            return str(need)
    if all(file.yanked for file in files):
        return "yanked"
    if version.is_prerelease and not provider.asked.pre:
        return "a pre-release"
    if not any(runs_on(file, provider.target.python_version) for file in files):
        return f"needs Python {files[0].requires_python}"
    ranks = {tag: rank for rank, tag in enumerate(provider.target.tags)}
    formats = provider.asked.formats
    wheels, sdists = formats.wheels(choice.name), formats.sdists(choice.name)
    if usable(files, provider.target, ranks, wheels=wheels, sdists=sdists) is None:
        return "no file of it can be used here"
    return "it does not go together with the others"
