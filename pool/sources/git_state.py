"""What of a git repository ends up in wheels: the commit, the tags, and which files are known.

Plugins ask git for the version (the commit, how far it is from a tag) and for the list of files.
All of that is read here without git, and nothing else: objects, logs, remote branches, and the
times in the index change without any wheel changing.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["facts"]

_IGNORE_FILES = (".gitignore", ".gitattributes")
_EXTENDED = 0x4000
_MOST_LINKS = 10


def facts(tree: Path) -> Iterator[bytes]:
    """Yield what a build in a tree can learn from the repository around it; nothing without one.

    Changes outside of the tree that are not committed are not seen, though a plugin may call the
    version dirty for them.

    Args:
        tree: a real path; the repository's root may be a folder further up.

    Raises:
        OSError: the repository is there but cannot be read.
    """
    above = [tree, *tree.parents]
    depth = next((at for at, folder in enumerate(above) if os.path.lexists(folder / ".git")), None)
    if depth is None:
        return
    for folder in above[1 : depth + 1]:
        yield from (_content(folder / name) for name in _IGNORE_FILES)
    git = _repository(above[depth] / ".git")
    common = git / (_text(git / "commondir") or ".")
    packed = _content(common / "packed-refs").splitlines()
    head = _text(git / "HEAD")
    commit = _commit(head, (git, common), packed)
    yield from (head.encode(), commit.encode(), _content(common / "shallow"))
    yield from _tags(common, packed)
    yield from _known(_content(git / "index"), len(commit) // 2)


def _repository(git: Path) -> Path:
    """Return where the repository is; worktrees and submodules have a file that says it."""
    if git.is_dir():
        return git
    return git.parent / _text(git).removeprefix("gitdir:").strip()


def _content(path: Path) -> bytes:
    """Return what is in a file; nothing where there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""


def _text(path: Path) -> str:
    return os.fsdecode(_content(path).strip())


def _commit(head: str, places: tuple[Path, ...], packed: list[bytes]) -> str:
    """Follow HEAD to a commit; a branch without one, and what cannot be followed, is nothing."""
    for _ in range(_MOST_LINKS):
        if not head.startswith("ref:"):
            return head
        name = head.removeprefix("ref:").strip()
        loose = (_text(place / name) for place in places)
        head = next(filter(None, loose), "") or _packed(os.fsencode(name), packed)
    return ""


def _packed(name: bytes, packed: list[bytes]) -> str:
    lines = (line.split(b" ") for line in packed)
    return next((line[0].decode() for line in lines if line[1:] == [name]), "")


def _tags(common: Path, packed: list[bytes]) -> Iterator[bytes]:
    """Yield the tags with what they are of, wherever git keeps them."""
    lines = (line.partition(b" ") for line in packed)
    tags = {name: of for of, _, name in lines if name.startswith(b"refs/tags/")}
    for path in (common / "refs" / "tags").rglob("*"):
        if path.is_file():
            tags[bytes(path.relative_to(common))] = _content(path).strip()
    yield from (name + b" " + of for name, of in sorted(tags.items()))
    # The newer format of refs: this names tables that are never changed.
    yield _content(common / "reftable" / "tables.list")


def _known(index: bytes, digest_size: int) -> Iterator[bytes]:
    """Yield the entries of an index without their times; the whole index where it is unusual.

    The format is in gitformat-index(5): 40 bytes about the file, of which only the mode counts,
    the digest, the flags, the name, and padding to a multiple of eight.
    """
    signature, version, count = struct.unpack_from(">4sII", index.ljust(12, b"-"))
    if signature != b"DIRC" or version not in (2, 3) or digest_size not in (20, 32):
        yield index
        return
    at = 12
    for _ in range(count):
        start, at = at, at + 40 + digest_size
        (flags,) = struct.unpack_from(">H", index, at)
        end = index.index(b"\0", at + (4 if flags & _EXTENDED else 2))
        yield index[start + 24 : start + 28] + index[start + 40 : end]
        at = start + ((end - start) // 8 + 1) * 8
    if index[at : at + 4] == b"link":
        yield index  # Most entries are in another file.
