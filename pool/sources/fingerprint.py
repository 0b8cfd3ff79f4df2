"""Fingerprints of what wheels are built from: equal where, and only where, the content is.

Of a tree count the names of folders and files, the bytes of files, whether they are executable,
where links lead, and what plugins read of the git repository around it (see `gitstate`). Times,
owners and the order on disk do not; nor do bytecode, environments, the folders of other version
control systems, and the caches of test runners and linters. ``node_modules`` does count: builds
of web parts read it, and no lock file tells what was changed in it.

By-products of builds (``build/``, ``*.egg-info``, generated modules) are deliberately not left
out: a name that is one backend's by-product is another project's source. Whoever builds keeps the
wheel under two fingerprints instead, that of the tree before the build and that of the tree as
the backend left it. The next build of the unchanged tree finds the second; a fresh clone, the
first. What is edited in the middle of a build must not be taken for what the wheel was built
from: see `TreeContent.after_build`.

No fingerprint at all means: do not cache. So it is where a link leads to a folder elsewhere, where
something cannot be read, and where something is neither file, folder nor link.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pool.sources import git_state as gitstate
from pool.sources.wheel import sha256

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

__all__ = ["TreeContent", "of_file", "of_tree", "read_tree"]

_LEFT_OUT = frozenset(
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
_BY_PRODUCTS = frozenset(("build", "dist", "target", "_skbuild", ".eggs"))
_GIT = ""
_CHUNK_BYTES = 1 << 20
# Without waiting for who writes into a pipe; links are looked at before they are followed.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class _Uncacheable(Exception):  # noqa: N818 - no error: it never leaves this module
    """The tree has something whose content cannot be told."""


def of_file(path: Path) -> str:
    """Return the fingerprint of an archive: ``sha256:`` and the digest of its bytes.

    Raises:
        OSError: it cannot be read.
    """
    return f"sha256:{sha256(path)}"


def of_tree(tree: Path, ignore: Collection[Path] = ()) -> str | None:
    """Return the fingerprint of a source tree; None where it cannot be had. See `read_tree`."""
    content = read_tree(tree, ignore)
    return content.fingerprint if content else None


def read_tree(tree: Path, ignore: Collection[Path] = ()) -> TreeContent | None:
    """Read a source tree; None where it has no fingerprint.

    Args:
        tree: its directory, by any name.
        ignore: folders that do not count if they are in it, the run's own above all. Where one
            of them is the tree itself, the wheels that lie in it do not count.
    """
    root = os.path.realpath(tree)
    walk = _Walk(root, frozenset(map(os.path.realpath, ignore)))
    try:
        walk.folder("")
        parts = {name: kind + walk.content(name, kind) for name, kind in walk.found.items()}
        facts = [hashlib.sha256(fact).digest() for fact in gitstate.facts(Path(root))]
    except (_Uncacheable, OSError, ValueError, struct.error):
        return None
    return TreeContent(parts={**parts, _GIT: b"".join(facts)})


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeContent:
    """What counts of a tree, at one moment."""

    parts: Mapping[str, bytes]
    """By its path: the kind, and a digest of the content. What git says is under no path."""

    @property
    def fingerprint(self) -> str:
        """All of it: ``tree:`` and a digest."""
        digest = hashlib.sha256()
        for name, part in sorted(self.parts.items()):
            digest.update(os.fsencode(name) + b"\0" + hashlib.sha256(part).digest())
        return f"tree:{digest.hexdigest()}"

    def after_build(self, later: TreeContent | None) -> tuple[str, ...]:
        """Return the fingerprints under which a wheel may be kept that was built in between.

        None where something that was there has changed: whoever did it, nobody knows which state
        the wheel is of. Only the first where there is something new: it may be a generated module,
        or one that the user has just written and the wheel does not have. Both where all that is
        new or changed is in the usual folders for by-products; a guess, but a wrong one costs a
        build at most.

        Args:
            later: the tree as the backend left it.
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
        if top in _BY_PRODUCTS:
            return f"{top}/__init__.py" not in self.parts
        return any(part.endswith(".egg-info") for part in (top, *inner))


@dataclass(frozen=True, slots=True)
class _Walk:
    """A walk through a tree; with plain strings, as a Path for each file takes longer to make."""

    root: str
    ignored: frozenset[str]
    found: dict[str, bytes] = field(default_factory=dict)
    """What counts, by its path from the root: ``d`` a folder, ``f`` a file, ``l`` a link."""

    def folder(self, name: str) -> None:
        """Find all that counts below a folder."""
        with os.scandir(f"{self.root}/{name}") as entries:
            known = (entry for entry in entries if entry.name not in _LEFT_OUT)
            folders = [inner for entry in known for inner in self._entry(entry, name)]
        for inner in folders:
            self.folder(inner)

    def _entry(self, entry: os.DirEntry[str], parent: str) -> Iterator[str]:
        """Note one entry; yield it if it is a folder to go into."""
        name = f"{parent}/{entry.name}" if parent else entry.name
        if entry.is_file(follow_symlinks=False):
            if not (entry.name.endswith(".pyc") or (not parent and self._is_output(entry.name))):
                self.found[name] = b"f"
        elif self._counts(entry):
            is_folder = entry.is_dir(follow_symlinks=False)
            self.found[name] = b"d" if is_folder else b"l" if entry.is_symlink() else b"f"
            if is_folder:
                yield name

    def _counts(self, entry: os.DirEntry[str]) -> bool:
        return not (entry.path in self.ignored or os.path.lexists(f"{entry.path}/pyvenv.cfg"))

    def _is_output(self, name: str) -> bool:
        return self.root in self.ignored and name.endswith(".whl")

    def content(self, name: str, kind: bytes) -> bytes:
        """Return what counts of an entry besides its name and its kind."""
        path = f"{self.root}/{name}"
        match kind:
            case b"f":
                return _of_content(path)
            case b"l":
                words = os.fsencode(os.readlink(path))  # noqa: PTH115 - see the class
                return hashlib.sha256(words + b"\0" + self._led_to(path)).digest()
            case _:
                return b""

    def _led_to(self, link: str) -> bytes:
        """Return the content of the file that a link leads to; nothing for a folder of the tree."""
        try:
            mode = os.stat(link).st_mode  # noqa: PTH116 - see the class
        except FileNotFoundError:
            return b"-"  # The path says all there is to say.
        if not stat.S_ISDIR(mode):
            return _of_content(link)
        target = os.path.realpath(link)
        if target != self.root and self.found.get(os.path.relpath(target, self.root)) != b"d":
            raise _Uncacheable
        return b"d"


def _of_content(path: str) -> bytes:
    """Return the digest of a file, and whether it is executable."""
    fd = os.open(path, _READ)
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise _Uncacheable
        digest = hashlib.sha256()
        for chunk in _chunks(fd, about.st_size):
            digest.update(chunk)
    finally:
        os.close(fd)
    return digest.digest() + (b"x" if about.st_mode & stat.S_IXUSR else b"-")


def _chunks(fd: int, size: int) -> Iterable[bytes]:
    """Yield what is in a file; mostly it is small, and one read has it all."""
    while chunk := os.read(fd, min(size + 1, _CHUNK_BYTES)):
        yield chunk
