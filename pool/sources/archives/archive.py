"""Opens and unpacks source archives: tar files with any compression, and zip files.

Archives are bytes of others: the readers (`tar`, `zip`) bound what they parse, and the writer
(`tree_writer`) decides which members are refused, by one set of rules for all formats. The format
is detected from the content. A failed unpacking leaves nothing.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from pool.common.errors import ArchiveError
from pool.common.files import open_regular, remove_tree
from pool.sources.archives import SUFFIXES
from pool.sources.archives.compression import TarStream
from pool.sources.archives.limits import UnpackLimits
from pool.sources.archives.tar import read_tar
from pool.sources.archives.tree_writer import TreeWriter
from pool.sources.archives.zip import is_zip, read_zip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pool.sources.archives.member import Members

__all__ = ["is_named_after", "open_members", "unpack"]

_DAMAGE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    MemoryError,
    # zipfile raises these for invalid fields and for formats that it does not support.
    ValueError,
    OverflowError,
    RuntimeError,
)
_BUILD_FILES = ("pyproject.toml", "setup.py")
_OTHER_PROJECT_FILES = ("setup.cfg", "PKG-INFO")
_RUBBISH = re.compile(r"\._.*|__MACOSX|pax_global_header|\.DS_Store")
"""Files that archivers leave beside the folder of an sdist."""


def unpack(archive: Path, into: Path, subdirectory: str = "") -> Path:
    """Unpack an sdist and return its root folder; ``into`` is created, and removed on failure.

    Args:
        archive: the file.
        into: the new folder.
        subdirectory: the folder of the project in the root, which need not be one then.

    Raises:
        ArchiveError: the archive is damaged, or has a member that is refused; it is named.
        OSError: no space, no permission, or the archive does not exist.
    """
    into.mkdir(parents=True)
    try:
        with open_members(archive) as (members, limits):
            tree = TreeWriter(into, limits)
            for member, content in members:
                tree.add(member, content)
        return _find_root(archive, into, subdirectory)
    except BaseException:
        remove_tree(into)
        raise


@contextmanager
def open_members(archive: Path) -> Iterator[tuple[Members, UnpackLimits]]:
    """Open an archive; yield its members with their content, and the limits that count it.

    Raises:
        ArchiveError: the archive is damaged, also if that is found while the block reads it.
        OSError: the archive cannot be read.
    """
    with _reraise_damage(archive), open_regular(archive) as file:
        limits = UnpackLimits(archive.name, archive.stat().st_size)
        if archive.name.lower().endswith(".zip") or is_zip(file):
            members = read_zip(file, limits)
        else:
            members = read_tar(TarStream(file, limits))
        with closing(members):
            yield members, limits


@contextmanager
def _reraise_damage(archive: Path) -> Iterator[None]:
    """Turn the errors of a damaged archive into an `ArchiveError`."""
    try:
        yield
    except Exception as problem:
        if isinstance(problem, _DAMAGE_ERRORS) or _is_bz2_error(problem):
            reason = str(problem) or type(problem).__name__
            raise ArchiveError(f"{archive.name}: damaged: {reason}") from problem
        raise


def _is_bz2_error(problem: BaseException) -> bool:
    """Return whether bz2 raised this for invalid data: an OSError without a number."""
    return isinstance(problem, OSError) and problem.errno is None


def is_named_after(folder: str, archive: str) -> bool:
    """Return whether a folder has the name of its archive (PEP 625), in any spelling."""
    stem = next(
        (archive.removesuffix(suffix) for suffix in SUFFIXES if archive.endswith(suffix)), archive
    )
    return _normalize(folder) == _normalize(stem)


def _normalize(name: str) -> str:
    return re.sub(r"[-_.+]+", "-", name).lower()


def _find_root(archive: Path, into: Path, subdirectory: str) -> Path:
    """Return the folder of the project.

    That is the single folder of the archive (PEP 517, PEP 625), as in pip. If there is more at the
    top, it is the top itself or the one folder in it that looks like a project.
    """
    top = [path for path in into.iterdir() if not _RUBBISH.fullmatch(path.name)]
    folders = [path for path in sorted(top) if path.is_dir() and not path.is_symlink()]
    if len(top) == len(folders) == 1:
        return folders[0]
    for names in (_BUILD_FILES, _OTHER_PROJECT_FILES):
        for candidates in ([into], folders):
            found = [path for path in candidates if _has_file(path / subdirectory, names)]
            named = [path for path in found if is_named_after(path.name, archive.name)]
            if len(found) == 1 or len(named) == 1:
                return (named or found)[0]
            if found:
                listed = ", ".join(path.name for path in found[:5])
                raise ArchiveError(
                    f"{archive.name}: not an sdist: it has several projects: {listed}"
                )
    raise ArchiveError(
        f"{archive.name}: not an sdist: no pyproject.toml or setup.py in it, nor in a folder of it"
    )


def _has_file(folder: Path, names: tuple[str, ...]) -> bool:
    return any((folder / name).is_file() for name in names)
