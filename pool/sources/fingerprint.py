"""Fingerprints of sources: two sources have the same fingerprint only if their content is the same.

The fingerprint of a tree covers the names of folders and files, the bytes of files, whether they
are executable, the targets of links, and the state of the git repository (`git_state`). It ignores
times, owners and the order on disk, and also bytecode, environments, the folders of other version
control systems, and the caches of test runners and linters. ``node_modules`` is included: builds
of web parts read it, and no lock file shows what was changed in it.

By-products of builds (``build/``, ``*.egg-info``, generated modules) are not excluded: a name that
is one backend's by-product is another project's source. Instead, a built wheel is cached under two
fingerprints: that of the tree before the build, and that of the tree as the backend left it. The
next build of the unchanged tree finds the second, a fresh clone the first. A file that is edited
during a build must not be taken for its input: see `TreeContent.after_build`.

No fingerprint means: do not cache. That is so if a link leads to a folder outside, if something
cannot be read, and if an entry is neither file, folder nor link.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import field

from pool.common.cancellation import check_cancelled
from pool.common.files import hash_file
from pool.common.record import MutableRecord, Record
from pool.sources import git_state

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

__all__ = ["TreeContent", "fingerprint_file", "fingerprint_tree", "read_tree"]

_EXCLUDED_NAMES = frozenset(
    (
        "__pycache__",
        ".git",
        ".hg",
        ".svn",
        ".tox",
        ".nox",
        ".venv",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".hypothesis",
    )
)
_BUILD_FOLDERS = frozenset(("build", "dist", "target", "_skbuild", ".eggs"))
_GIT_PART = ""
_CHUNK_BYTES = 1 << 20
# Non-blocking, so that opening a pipe does not wait for its writer.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class _NoFingerprint(Exception):  # noqa: N818 - not an error: it never leaves this module
    """The tree has an entry whose content cannot be determined."""


def fingerprint_file(path: Path) -> str:
    """Return the fingerprint of an archive: ``sha256:`` and the digest of its bytes.

    Raises:
        OSError: the file cannot be read.
    """
    return f"sha256:{hash_file(path)}"


def fingerprint_tree(tree: Path, ignore: Collection[Path] = ()) -> str | None:
    """Return the fingerprint of a source tree; None if it has none. See `read_tree`."""
    content = read_tree(tree, ignore)
    return content.fingerprint if content else None


def read_tree(
    tree: Path, ignore: Collection[Path] = (), *, most: int | None = None
) -> TreeContent | None:
    """Read a source tree; None if it has no fingerprint.

    Args:
        tree: its folder, by any path.
        ignore: folders in it to ignore, mainly those of the run. If the tree itself is one of
            them, the wheels in it are ignored.
        most: the bytes after which the tree counts as having no fingerprint; None for no limit.
    """
    root = os.path.realpath(tree)
    budget = _Budget(most)
    walk = _TreeWalk(root, frozenset(map(os.path.realpath, ignore)), budget)
    try:
        walk.scan()
        parts = {name: kind + walk.hash_entry(name, kind) for name, kind in walk.kinds.items()}
        git_parts = [hashlib.sha256(part).digest() for part in git_state.read_state(Path(root))]
    except (_NoFingerprint, OSError, ValueError, struct.error):
        return None
    return TreeContent(parts={**parts, _GIT_PART: b"".join(git_parts)}, size=budget.used)


class _Budget(MutableRecord):
    """The bytes that may be read, and those that were."""

    most: int | None
    used: int = 0

    def spend(self, size: int) -> None:
        self.used += size
        if self.most is not None and self.used > self.most:
            raise _NoFingerprint


class TreeContent(Record, frozen=True, kw_only=True):
    """The content of a tree at one moment, as far as it matters for wheels."""

    parts: Mapping[str, bytes]
    """By path: the kind of entry and a digest. The state of git has an empty path."""
    size: int = 0
    """The bytes of all files that were read."""

    @property
    def fingerprint(self) -> str:
        """``tree:`` and a digest of all parts."""
        digest = hashlib.sha256()
        for name, part in sorted(self.parts.items()):
            digest.update(os.fsencode(name) + b"\0" + hashlib.sha256(part).digest())
        return f"tree:{digest.hexdigest()}"

    def after_build(self, later: TreeContent | None) -> tuple[str, ...]:
        """Return the fingerprints under which a wheel that was built in between may be cached.

        No fingerprint if a file that existed before has changed: it is unknown which state was
        built. Only the fingerprint before the build if files were added outside build folders: an
        added file may be a generated module, or one that the user wrote meanwhile and the wheel
        does not have. Both if all changes are in build folders. That is a guess, but a wrong one
        costs a build at most.

        Args:
            later: the tree as the backend left it; None if it has no fingerprint.
        """
        if later is None:
            return ()
        changed = {name for name, _ in self.parts.items() ^ later.parts.items()}
        changed = {name for name in changed if not self._is_by_product(name)}
        if changed & self.parts.keys():
            return ()
        both = (self.fingerprint,) if changed else (self.fingerprint, later.fingerprint)
        return tuple(dict.fromkeys(both))

    def _is_by_product(self, name: str) -> bool:
        top, *inner = name.split("/")
        if top in _BUILD_FOLDERS:
            return f"{top}/__init__.py" not in self.parts
        return any(part.endswith(".egg-info") for part in (top, *inner))


class _TreeWalk(Record, frozen=True):
    """A walk through a tree; with strings, because a Path for each file takes longer."""

    root: str
    ignored: frozenset[str]
    budget: _Budget
    kinds: dict[str, bytes] = field(default_factory=dict)
    """Included entries by their path from the root: ``d`` folder, ``f`` file, ``l`` link."""

    def scan(self) -> None:
        """Collect the included entries of the tree; a loop, since trees can be of any depth."""
        folders = [""]
        while folders:
            check_cancelled()
            name = folders.pop()
            with os.scandir(f"{self.root}/{name}") as entries:
                included = (entry for entry in entries if entry.name not in _EXCLUDED_NAMES)
                folders += [inner for entry in included for inner in self._add_entry(entry, name)]

    def _add_entry(self, entry: os.DirEntry[str], parent: str) -> Iterator[str]:
        """Record one entry; yield its name if it is a folder to scan."""
        name = f"{parent}/{entry.name}" if parent else entry.name
        if entry.is_file(follow_symlinks=False):
            if not (entry.name.endswith(".pyc") or (not parent and self._is_output(entry.name))):
                self.kinds[name] = b"f"
        elif self._is_included(entry):
            is_folder = entry.is_dir(follow_symlinks=False)
            self.kinds[name] = b"d" if is_folder else b"l" if entry.is_symlink() else b"f"
            if is_folder:
                yield name

    def _is_included(self, entry: os.DirEntry[str]) -> bool:
        return not (entry.path in self.ignored or os.path.lexists(f"{entry.path}/pyvenv.cfg"))

    def _is_output(self, name: str) -> bool:
        return self.root in self.ignored and name.endswith(".whl")

    def hash_entry(self, name: str, kind: bytes) -> bytes:
        """Return the content of an entry, hashed; empty for a folder."""
        path = f"{self.root}/{name}"
        match kind:
            case b"f":
                return _hash_content(path, self.budget)
            case b"l":
                target = os.fsencode(os.readlink(path))  # noqa: PTH115 - see the class
                return hashlib.sha256(target + b"\0" + self._hash_link_target(path)).digest()
            case _:
                return b""

    def _hash_link_target(self, link: str) -> bytes:
        """Return the hash of the file that a link leads to; a constant for a folder of the tree."""
        try:
            mode = os.stat(link).st_mode  # noqa: PTH116 - see the class
        except FileNotFoundError:
            return b"-"  # A dangling link: its path is its content.
        if not stat.S_ISDIR(mode):
            return _hash_content(link, self.budget)
        target = os.path.realpath(link)
        if target != self.root and self.kinds.get(os.path.relpath(target, self.root)) != b"d":
            raise _NoFingerprint
        return b"d"


def _hash_content(path: str, budget: _Budget) -> bytes:
    """Return the digest of a file with its executable bit."""
    fd = os.open(path, _OPEN_FLAGS)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise _NoFingerprint
        budget.spend(status.st_size)
        digest = hashlib.sha256()
        for chunk in _read_chunks(fd, status.st_size):
            digest.update(chunk)
    finally:
        os.close(fd)
    return digest.digest() + (b"x" if status.st_mode & stat.S_IXUSR else b"-")


def _read_chunks(fd: int, size: int) -> Iterable[bytes]:
    """Yield the content of a file; for most files one read is enough."""
    while chunk := os.read(fd, min(size + 1, _CHUNK_BYTES)):
        check_cancelled()
        yield chunk
