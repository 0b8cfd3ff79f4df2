"""The build trees of cmake in a source tree: paths of programs in them, without wheelpool's shims.

CMake stores the path of make or ninja (CMAKE_MAKE_PROGRAM) and runs the build with it from then on,
also for pip and for the user. A user's tree therefore must not name a shim, which is gone when the
cache is pruned. During a build it does: by its own path, an old make cannot use the jobserver.

Times of files do not change, as cmake would configure again. All functions block on files.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pool.build.frontend.tool_shims import wrapped_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["name_programs", "name_shims"]

_CACHE = "CMakeCache.txt"
_TEXT_FILE = re.compile(
    r"CMakeCache\.txt|Makefile2?|.*\.(?:ninja|cmake|make|ya?ml|log|json|txt|sh|internal)"
)
_MAX_BYTES = 16 << 20
_EXCLUDED_FOLDERS = frozenset((".git", ".hg", ".venv", ".tox", ".nox", "node_modules"))


def name_shims(tree: Path, shims: Mapping[str, str]) -> None:
    """Let the configured builds in a tree call shims.

    Args:
        tree: the source tree.
        shims: their paths, by those of the programs that they wrap.
    """

    def replace(found: re.Match[bytes]) -> bytes:
        program = os.fsdecode(found[2])
        return found[1] + os.fsencode(shims.get(program, program))

    pattern = re.compile(rb"^(CMAKE_MAKE_PROGRAM:\w+=)(.*)$", re.MULTILINE)
    for folder in _build_trees(tree):
        _rewrite(folder / _CACHE, pattern, replace)


def name_programs(tree: Path, shims: Path) -> None:
    """Replace the shims in the build trees of a source tree by the programs that they wrap.

    Args:
        tree: the source tree.
        shims: the folder of all shims.
    """

    def replace(found: re.Match[bytes]) -> bytes:
        shim = Path(os.fsdecode(found[0]))
        return os.fsencode(wrapped_program(shim) or shutil.which(shim.name) or shim.name)

    pattern = re.compile(re.escape(os.fsencode(shims)) + rb"/[0-9a-f]{16}/[\w.-]+")
    for build in _build_trees(tree):
        for folder, _, names in os.walk(build):
            for name in filter(_TEXT_FILE.fullmatch, names):
                _rewrite(Path(folder, name), pattern, replace)


def _build_trees(tree: Path) -> Iterator[Path]:
    """Yield the topmost folders that cmake has configured; none if the tree has no CMakeLists.txt.

    The file is looked for in the tree and in the folders just below it.
    """
    if not any(next(tree.glob(f"{above}CMakeLists.txt"), None) for above in ("", "*/")):
        return
    for folder, folders, names in os.walk(tree):
        folders[:] = [name for name in folders if name not in _EXCLUDED_FOLDERS]
        if _CACHE in names:
            folders.clear()
            yield Path(folder)


def _rewrite(
    path: Path, pattern: re.Pattern[bytes], replace: Callable[[re.Match[bytes]], bytes]
) -> None:
    """Replace all matches in a file; a file that cannot be changed stays as it is."""
    try:
        status = path.lstat()
        if path.is_symlink() or status.st_size > _MAX_BYTES:
            return
        before = path.read_bytes()
        if (after := pattern.sub(replace, before)) != before:
            path.write_bytes(after)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError:
        return
