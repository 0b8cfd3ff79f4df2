"""The state of a git repository that affects wheels: the commit, the tags, and the tracked files.

Plugins ask git for the version (the commit and its distance from a tag) and for the list of files.
Only that is read here, without git. Objects, logs, remote branches, and the times in the index
change without changing any wheel.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from pool.common.files import open_regular, walk_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["find_refused_repository", "read_state"]

_IGNORE_FILES = (".gitignore", ".gitattributes")
_EXTENDED = 0x4000
_MAX_REFS = 10
_TIMEOUT_SECONDS = 10.0


def read_state(tree: Path) -> Iterator[bytes]:
    """Yield the state of the repository around a tree; nothing without a repository.

    Uncommitted changes outside of the tree are not included, though a plugin may mark the version
    as dirty because of them.

    Args:
        tree: a real path; the root of the repository may be a parent folder.

    Raises:
        OSError: the repository exists but cannot be read.
    """
    folders = [tree, *tree.parents]
    depth = next(
        (level for level, folder in enumerate(folders) if os.path.lexists(folder / ".git")), None
    )
    if depth is None:
        return
    for folder in folders[1 : depth + 1]:
        yield from (_read_bytes(folder / name) for name in _IGNORE_FILES)
    git = _find_git_dir(folders[depth] / ".git")
    common = git / (_read_text(git / "commondir") or ".")
    packed = _read_bytes(common / "packed-refs").splitlines()
    head = _read_text(git / "HEAD")
    commit = _resolve_head(head, (git, common), packed)
    yield from (os.fsencode(head), os.fsencode(commit), _read_bytes(common / "shallow"))
    yield from _read_tags(common, packed)
    yield from _read_index(_read_bytes(git / "index"), len(commit) // 2)


def find_refused_repository(tree: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the repository around a tree if git refuses it because of its owner; it blocks.

    git reads no repository of another user unless ``safe.directory`` has it. Plugins that compute
    a version from git take the refusal for a missing repository, and use a default version.

    Args:
        tree: a folder of the repository.
        environ: of the builds: decides which git is found, and on its configuration.
    """
    folders = [tree.resolve(), *tree.resolve().parents]
    root = next((folder for folder in folders if os.path.lexists(folder / ".git")), None)
    if root is None or all(_is_ours(path) for path in (root, root / ".git")):
        return None
    import subprocess

    from pool.system.process import capture_output

    try:
        capture_output(
            ["git", "-C", str(tree), "rev-parse", "--git-dir"],
            environ=environ,
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return root
    return None


def _is_ours(path: Path) -> bool:
    return path.lstat().st_uid == os.geteuid()


def _find_git_dir(git: Path) -> Path:
    """Return the git directory; worktrees and submodules have a file with its path."""
    if git.is_dir():
        return git
    return git.parent / _read_text(git).removeprefix("gitdir:").strip()


def _read_bytes(path: Path) -> bytes:
    """Return the content of a file; empty if there is none."""
    try:
        with open_regular(path) as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return b""


def _read_text(path: Path) -> str:
    return os.fsdecode(_read_bytes(path).strip())


def _resolve_head(head: str, places: tuple[Path, ...], packed: list[bytes]) -> str:
    """Resolve HEAD to a commit; empty for a branch without one, and for a loop."""
    for _ in range(_MAX_REFS):
        if not head.startswith("ref:"):
            return head
        name = head.removeprefix("ref:").strip()
        loose = (_read_text(place / name) for place in places)
        head = next(filter(None, loose), "") or _find_packed(os.fsencode(name), packed)
    return ""


def _find_packed(name: bytes, packed: list[bytes]) -> str:
    lines = (line.split(b" ") for line in packed)
    return next((line[0].decode() for line in lines if line[1:] == [name]), "")


def _read_tags(common: Path, packed: list[bytes]) -> Iterator[bytes]:
    """Yield the tags with their objects, from loose and packed refs."""
    lines = (line.partition(b" ") for line in packed)
    tags = {name: target for target, _, name in lines if name.startswith(b"refs/tags/")}
    for folder, _, names in walk_folders(str(common / "refs" / "tags")):
        for path in (Path(folder, name) for name in names):
            tags[bytes(path.relative_to(common))] = _read_bytes(path).strip()
    yield from (name + b" " + target for name, target in sorted(tags.items()))
    # The reftable format: the list names tables, which are never changed.
    yield _read_bytes(common / "reftable" / "tables.list")


def _read_index(index: bytes, digest_size: int) -> Iterator[bytes]:
    """Yield the entries of an index without their times; the whole index if it is unusual.

    The format is in gitformat-index(5): 40 bytes of stat data, of which only the mode is used, the
    digest, the flags, the name, and padding to a multiple of eight.
    """
    signature, version, count = struct.unpack_from(">4sII", index.ljust(12, b"-"))
    if signature != b"DIRC" or version not in (2, 3) or digest_size not in (20, 32):
        yield index
        return
    offset = 12
    for _ in range(count):
        start, offset = offset, offset + 40 + digest_size
        (flags,) = struct.unpack_from(">H", index, offset)
        end = index.index(b"\0", offset + (4 if flags & _EXTENDED else 2))
        yield index[start + 24 : start + 28] + index[start + 40 : end]
        offset = start + ((end - start) // 8 + 1) * 8
    if index[offset : offset + 4] == b"link":
        yield index  # A split index: most entries are in another file.
