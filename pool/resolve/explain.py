"""Why each version was selected: what requires it, and why it is not a newer one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pool.events.types import SelectedVersion
from pool.resolve.candidates import best_file, parse_version, supports_python
from pool.resolve.manifest import Candidate, DirectDist, InstalledDist
from pool.resolve.provider import Provider
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.version import Version

    from pool.requirements.target_python import TargetPython
    from pool.resolve.manifest import Manifest, RequirementInfo
    from pool.resolve.provider import MetadataStore
    from pool.resolve.resolver import Resolution

__all__ = ["explain_selection"]

_MAX_NAMED = 5
"""The most newer versions that are explained."""


def explain_selection(
    resolution: Resolution, manifest: Manifest, store: MetadataStore, target: TargetPython
) -> tuple[SelectedVersion, ...]:
    """Return the selected versions of a resolution, with their reasons."""
    provider = Provider(manifest, store, target)
    return tuple(
        SelectedVersion(
            name=candidate.name,
            version=str(candidate.version),
            kind=_kind(candidate),
            file=candidate.origin.filename if isinstance(candidate.origin, IndexFile) else "",
            by=tuple(str(one) for one in resolution.required_by.get(candidate.name, ())),
            passed_over=_explain_newer(
                candidate, resolution.required_by.get(candidate.name, ()), provider
            ),
        )
        for candidate in resolution.candidates
    )


def _kind(candidate: Candidate) -> Literal["wheel", "sdist", "direct", "installed"]:
    match candidate.origin:
        case DirectDist():
            return "direct"
        case InstalledDist():
            return "installed"
        case file:
            return file.kind


def _explain_newer(
    candidate: Candidate, by: Sequence[RequirementInfo], provider: Provider
) -> tuple[str, ...]:
    """Return for each newer version why it was not selected, the newest first."""
    if not isinstance(candidate.origin, IndexFile):
        return ()
    page = provider.store.pages.get(candidate.name, ())
    newer: dict[Version, list[IndexFile]] = {}
    for file in page:
        if (version := parse_version(file.version)) > candidate.version:
            newer.setdefault(version, []).append(file)
    reasons = [
        f"{version}: {_reason(version, newer[version], by, candidate, provider)}"
        for version in sorted(newer, reverse=True)[:_MAX_NAMED]
    ]
    more = len(newer) - len(reasons)
    return (*reasons, f"and {more} more") if more > 0 else tuple(reasons)


def _reason(
    version: Version,
    files: Sequence[IndexFile],
    by: Sequence[RequirementInfo],
    candidate: Candidate,
    provider: Provider,
) -> str:
    for one in (*by, *provider.constraints(candidate.name)):
        if not one.requirement.specifier.contains(version, prereleases=True):
            return str(one)
    if all(file.yanked for file in files):
        return "yanked"
    if version.is_prerelease and not provider.manifest.pre:
        return "a pre-release"
    if not any(supports_python(file, provider.target.python_version) for file in files):
        return f"needs Python {files[0].requires_python}"
    return _file_reason(version, files, candidate, provider)


def _file_reason(
    version: Version, files: Sequence[IndexFile], candidate: Candidate, provider: Provider
) -> str:
    ranks = {tag: rank for rank, tag in enumerate(provider.target.tags)}
    formats = provider.manifest.formats
    wheels, sdists = formats.allows_wheels(candidate.name), formats.allows_sdists(candidate.name)
    file = best_file(files, provider.target, ranks, wheels=wheels, sdists=sdists)
    if file is None:
        return "no file of it can be used here"
    newer = Candidate(candidate.name, version, candidate.extras, file)
    return provider.explain_unreadable(newer) or "it does not go together with the others"
