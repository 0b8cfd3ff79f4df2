"""Source trees: odd ones that are built, and ones in which a build cannot work."""

# mypy: disable-error-code="func-returns-value"
# Lambdas list several steps.
from __future__ import annotations

import os
import shutil
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.corpus.archive_makers import BACKEND, PROJECT
from tests.corpus.case import Case, built, failed, refused

if TYPE_CHECKING:
    from collections.abc import Callable

WHEEL = "t-1-py3-none-any.whl"
NOT_UTF8 = os.fsdecode(b"\xff")


def make(change: Callable[[Path], object], folder: Path, *, copy: bool = False) -> list[str]:
    """Write a tree with a project and change it; return the arguments to build it."""
    tree = folder / "t"
    tree.mkdir()
    for name, data in PROJECT.items():
        (tree / name).write_bytes(data)
    change(tree)
    return ["build", "./t", *(["--copy"] if copy else [])]


def touch(tree: Path, name: str) -> None:
    """Make an empty file and its folders."""
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).touch()


def link(tree: Path, name: str, target: str) -> None:
    """Make a symbolic link."""
    (tree / name).symlink_to(target)


def bind_socket(tree: Path) -> None:
    """Leave the socket of a server that is gone."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tree / "s"))


def deepen(tree: Path, depth: int) -> None:
    """Make folders in each other."""
    touch(tree, "d/" * depth + "x")


def write(tree: Path, name: str, data: bytes) -> None:
    """Write a file and its folders."""
    touch(tree, name)
    (tree / name).write_bytes(data)


def replace_by_pipe(tree: Path, name: str) -> None:
    """Make a pipe instead of a file."""
    (tree / name).unlink(missing_ok=True)
    (tree / name).parent.mkdir(exist_ok=True)
    os.mkfifo(tree / name)


def backend(code: str) -> bytes:
    """Return the backend with a check."""
    return BACKEND + f"\ndef check():\n    {code}\n".encode()


BUILT: dict[str, Callable[[Path], object]] = {
    "plain": lambda tree: None,
    "pipe": lambda tree: os.mkfifo(tree / "p"),
    "pipe-in-a-folder": partial(replace_by_pipe, name="sub/p"),
    "socket": bind_socket,
    "pipe-named-like-a-cache": partial(replace_by_pipe, name="build/lib"),
    "link-to-nothing": partial(link, name="l", target="missing"),
    "link-to-itself": partial(link, name="l", target="l"),
    "link-to-the-root": partial(link, name="l", target="."),
    "link-to-above": partial(link, name="l", target=".."),
    "link-to-null": partial(link, name="l", target="/dev/null"),
    "link-to-zero": partial(link, name="l", target="/dev/zero"),
    "name-not-utf-8": partial(touch, name=f"{NOT_UTF8}/{NOT_UTF8}"),
    "name-with-line-break": partial(touch, name="a\nb\x1b[31m"),
    "name-of-255-bytes": partial(touch, name="n" * 255),
    "case-collision": lambda tree: [touch(tree, name) for name in ("A", "a")],
    "depth-of-200": partial(deepen, depth=200),
    "depth-of-400": partial(deepen, depth=400),
    "time-of-1970-elsewhere": lambda tree: [touch(tree, "x"), os.utime(tree / "x", (0, 0))],
    "time-in-the-future": lambda tree: [touch(tree, "x"), os.utime(tree / "x", (9e9, 9e9))],
    "mode-0-folder": lambda tree: [(tree / "m").mkdir(), (tree / "m").chmod(0)],
    "mode-0-file": lambda tree: [touch(tree, "m"), (tree / "m").chmod(0)],
    "empty-git": lambda tree: (tree / ".git").mkdir(),
    "git-file-to-nowhere": partial(write, name=".git", data=b"gitdir: /nonexistent"),
    "git-head-is-a-pipe": partial(replace_by_pipe, name=".git/HEAD"),
    "git-index-is-a-pipe": partial(replace_by_pipe, name=".git/index"),
    "git-index-is-damaged": partial(write, name=".git/index", data=b"DIRC\0\0\0\2\xff\xff\xff\xff"),
    "git-head-loop": partial(write, name=".git/HEAD", data=b"ref: HEAD"),
    "large-sparse-file": lambda tree: [touch(tree, "x"), os.truncate(tree / "x", 64 << 20)],
    "virtual-environment": partial(write, name="venv/pyvenv.cfg", data=b""),
    "hard-links": lambda tree: os.link(tree / "b.py", tree / "c.py"),
}
"""Changes with which a project is still built, in its place and as a copy."""

FAILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "pyproject-is-a-pipe-beside-setup": (
        lambda tree: [replace_by_pipe(tree, "pyproject.toml"), touch(tree, "setup.py")],
        "pyproject.toml: not a regular file",
    ),
    "pyproject-of-5-mb": (
        partial(write, name="pyproject.toml", data=b"#" * (5 << 20)), "it has more than",
    ),
    "pyproject-nested": (
        partial(write, name="pyproject.toml", data=b"a = " + b"[" * 50_000), "not valid TOML",
    ),
    "pyproject-number": (
        partial(write, name="pyproject.toml", data=b"a = " + b"9" * 5000), "not valid TOML",
    ),
    "pyproject-not-utf-8": (
        partial(write, name="pyproject.toml", data=b"a = '\xff'"), "not valid TOML",
    ),
    "tree-removed-by-its-backend": (
        partial(
            write, name="b.py",
            data=backend("import shutil; shutil.rmtree(os.getcwd()); raise OSError('gone')"),
        ),
        "OSError: gone",
    ),
    "permission-denied": (
        partial(write, name="b.py", data=backend("raise PermissionError(13, 'x')")), "PermissionError",
    ),
}  # fmt: skip
"""Changes with which the build fails, and words of the message."""

REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda tree: [path.unlink() for path in tree.iterdir()], "not a project"),
    "missing": (shutil.rmtree, "no such file or directory"),
    "pyproject-is-a-pipe": (
        partial(replace_by_pipe, name="pyproject.toml"), "not a project",
    ),
    "pyproject-is-a-folder": (
        lambda tree: [(tree / "pyproject.toml").unlink(), (tree / "pyproject.toml").mkdir()],
        "not a project",
    ),
    "tree-is-a-pipe": (lambda tree: [shutil.rmtree(tree), os.mkfifo(tree)], "neither a folder"),
    "tree-is-a-loop": (lambda tree: [shutil.rmtree(tree), tree.symlink_to("t")], "t:"),
}  # fmt: skip
"""Changes with which the request is refused, and words of the message."""

CASES = [
    *(Case(f"tree-{name}", "C11", partial(make, change), built(WHEEL)) for name, change in BUILT.items()),
    *(
        Case(f"copy-{name}", "C11", partial(make, change, copy=True), built(WHEEL))
        for name, change in BUILT.items()
    ),
    *(
        Case(f"tree-{name}", "C11", partial(make, change), failed(words))
        for name, (change, words) in FAILED.items()
    ),
    *(
        Case(f"tree-{name}", "C11", partial(make, change), refused(words))
        for name, (change, words) in REFUSED.items()
    ),
    Case(
        "tree-of-1970", "C1", partial(make, lambda tree: os.utime(tree / "b.py", (0, 0))),
        failed("timestamps before 1980", "--copy"),
    ),
    Case(
        "copy-of-1970", "C1", partial(make, lambda tree: os.utime(tree / "b.py", (0, 0)), copy=True),
        built(WHEEL),
    ),
    Case(
        "copy-notes-what-is-left-out", "C11",
        partial(make, lambda tree: os.mkfifo(tree / "p"), copy=True),
        built(WHEEL, words=("not copied", "p")),
    ),
]  # fmt: skip
