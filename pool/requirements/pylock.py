"""Lock files (pylock.toml, PEP 751): the requirements of one interpreter, with their files.

Which file of a package is used is decided later: builds prefer the sdist, installations a wheel.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import msgspec
from packaging.pylock import (
    Package,
    Pylock,
    PylockSelectError,
    PylockUnsupportedVersionError,
    PylockValidationError,
)
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from pool.common.errors import LockFileError, TargetError, os_error_text
from pool.common.files import read_limited
from pool.common.redaction import redact_urls
from pool.requirements.request import RequirementSpec
from pool.requirements.target import (
    GitTarget,
    RequirementTarget,
    SdistTarget,
    TreeTarget,
    UrlTarget,
    WheelTarget,
    local_target,
)
from pool.requirements.url import parse_url
from pool.sources.index.simple_api import IndexFile, parse_filename

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from packaging.markers import Environment
    from packaging.pylock import (
        PackageArchive,
        PackageDirectory,
        PackageSdist,
        PackageVcs,
        PackageWheel,
    )

    from pool.requirements.target_python import TargetPython

__all__ = ["read_lock"]

MAX_BYTES = 32 << 20
"""Bytes of a lock file."""


def read_lock(
    path: Path,
    target: TargetPython,
    *,
    extras: Collection[str] = (),
    groups: Collection[str] = (),
) -> tuple[RequirementSpec, ...]:
    """Return the requirements of a lock file for an interpreter.

    Args:
        path: the lock file; relative paths in it are relative to its folder.
        target: the interpreter for markers, version and tags.
        extras: the extras to select; by default none are.
        groups: the dependency groups to select beside the default ones.

    Raises:
        LockFileError: the file cannot be read, violates PEP 751, is not for this interpreter, does
            not have the extras or groups, or refers to files that do not exist.
    """
    lock = _read(path)
    wanted = _select_names("dependency group", groups, lock.dependency_groups or (), path)
    selected = lock.select(
        environment=cast("Environment", target.environment),
        tags=target.tags,
        extras=_select_names("extra", extras, lock.extras or (), path),
        dependency_groups={*wanted, *(lock.default_groups or ())},
    )
    try:
        packages = [package for package, _ in selected]
    except PylockSelectError as problem:
        raise LockFileError(
            f"{path}: not for Python {target.python_version} here: {_reason(problem)}",
            hint="lock for this interpreter as well, or select another one with --python",
        ) from problem
    return tuple(_to_requirement(package, path) for package in packages)


def _read(path: Path) -> Pylock:
    try:
        with path.open("rb") as file:
            content = read_limited(file, MAX_BYTES)
        return Pylock.from_dict(tomllib.loads(content.decode("utf-8")))
    except OSError as problem:
        reason = os_error_text(problem)
        raise LockFileError(f"{path}: {reason}") from problem
    except PylockUnsupportedVersionError as problem:
        raise LockFileError(
            f"{path}: {problem}", hint="only lock-version 1 is supported (PEP 751)"
        ) from problem
    except PylockValidationError as problem:
        raise LockFileError(f"{path}: not a lock file (PEP 751): {_reason(problem)}") from problem
    except (ValueError, RecursionError) as problem:  # Also numbers of thousands of digits.
        raise LockFileError(f"{path}: not valid TOML: {_reason(problem)}") from problem
    except (TypeError, KeyError, AttributeError) as problem:
        raise LockFileError(f"{path}: not a lock file (PEP 751): {_reason(problem)}") from problem


def _reason(problem: Exception) -> str:
    return redact_urls(" ".join(str(problem).split()))


def _select_names(
    kind: str, names: Collection[str], available: Collection[str], path: Path
) -> list[str]:
    """Return extras or groups as the file spells them."""
    spellings = {canonicalize_name(name): name for name in available}
    for name in names:
        if canonicalize_name(name) not in spellings:
            listed = ", ".join(sorted(available)) or "none"
            raise LockFileError(f"{path}: has no {kind} {name!r}", hint=f"it has: {listed}")
    return [spellings[canonicalize_name(name)] for name in names]


def _to_requirement(package: Package, path: Path) -> RequirementSpec:
    try:
        if package.directory is not None:
            tree = _tree_target(package.directory, package.name, path)
            return RequirementSpec(
                target=tree, origin=str(path), editable=package.directory.editable or False
            )
        if package.vcs is not None:
            return RequirementSpec(
                target=_git_target(package.vcs, package.name, path), origin=str(path)
            )
        if package.archive is not None:
            archive = _archive_target(package.archive, package.name, path)
            hashes = frozenset(
                f"{kind}:{d}" for kind, d in _lowercase(package.archive.hashes).items()
            )
            return RequirementSpec(target=archive, origin=str(path), hashes=hashes)
        return _to_index_requirement(package, path)
    except TargetError as problem:
        raise LockFileError(f"{path}: {package.name}: {_reason(problem)}") from problem


def _to_index_requirement(package: Package, path: Path) -> RequirementSpec:
    files: list[PackageSdist | PackageWheel] = [*(package.wheels or ())]
    if package.sdist is not None:
        files.insert(0, package.sdist)
    # Without a version, the file names have it (PEP 751).
    pin = f"=={package.version}" if package.version else ""
    return RequirementSpec(
        target=RequirementTarget(parsed=Requirement(f"{package.name}{pin}")),
        origin=str(path),
        files=tuple(_to_index_file(file, package.name, path) for file in files),
    )


def _to_index_file(
    file: PackageSdist | PackageWheel, name: NormalizedName, path: Path
) -> IndexFile:
    if (parsed := parse_filename(file.filename, name)) is None:
        raise TargetError(f"{file.filename} is neither an sdist nor a wheel")
    return msgspec.structs.replace(
        parsed, url=_file_url(file, path), hashes=_lowercase(file.hashes), size=file.size
    )


def _file_url(file: PackageSdist | PackageWheel | PackageArchive, path: Path) -> str:
    """Return the URL of a file: of its path if that exists, else the given URL."""
    local = path.absolute().parent / file.path if file.path else None
    if local is not None and (file.url is None or local.exists()):
        return local.resolve().as_uri()
    link = parse_url(file.url or "")
    if link.is_git:
        raise TargetError(f"{file.url}: not the URL of a file")
    return link.url


def _lowercase(hashes: Mapping[str, str]) -> dict[str, str]:
    return {kind.lower(): digest.lower() for kind, digest in hashes.items()}


def _archive_target(
    archive: PackageArchive, name: NormalizedName, path: Path
) -> UrlTarget | SdistTarget | WheelTarget:
    url, subdirectory = _file_url(archive, path), archive.subdirectory or ""
    link = parse_url(f"{url}#subdirectory={quote(subdirectory)}")
    if link.scheme == "file" and not link.subdirectory:
        found = local_target(archive.path or url, link.local_path(path.parent), name)
        if isinstance(found, TreeTarget):
            raise TargetError(f"{link.path} is a folder, not an archive")
        return found
    label = f"{name} @ {redact_urls(url)}"
    return UrlTarget(url=url, name=name, subdirectory=link.subdirectory, label=label)


def _tree_target(directory: PackageDirectory, name: NormalizedName, path: Path) -> TreeTarget:
    tree = path.absolute().parent / directory.path / (directory.subdirectory or "")
    found = local_target(directory.path, tree, name)
    if not isinstance(found, TreeTarget):
        raise TargetError(f"{directory.path} is not a folder")
    return found


def _git_target(vcs: PackageVcs, name: NormalizedName, path: Path) -> GitTarget:
    if vcs.type != "git":
        raise TargetError(f"{vcs.type} repositories cannot be built from")
    url = (path.absolute().parent / vcs.path).resolve().as_uri() if vcs.path else vcs.url or ""
    text = f"git+{url}@{vcs.commit_id}#subdirectory={quote(vcs.subdirectory or '')}"
    link = parse_url(text)
    return GitTarget(
        url=link.url,
        reference=link.reference,
        name=name,
        subdirectory=link.subdirectory,
        label=f"{name} @ git+{redact_urls(url)}@{vcs.commit_id}",
    )
