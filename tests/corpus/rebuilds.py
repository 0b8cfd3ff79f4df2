"""Builds that are asked for twice, with a change in between: built again, or taken from the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.corpus.hook_trees import make_hook_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["REBUILDS", "Rebuild"]


def _no_change(_: Path) -> None:
    pass


@dataclass(frozen=True)
class Rebuild:
    """A tree ``t``, and what happens between two builds of it."""

    name: str
    """Unique; lower case, words joined by hyphens."""
    code: str
    """The build: see `make_hook_tree`."""
    second: str
    """How the second build ends: ``built`` or ``cached``."""
    prepare: Callable[[Path], object] = _no_change
    """Makes what lies beside the tree."""
    change: Callable[[Path], object] = _no_change
    """Runs between the builds."""
    environs: tuple[dict[str, str], dict[str, str]] = ({}, {})
    """Variables of the first and of the second build."""
    files: tuple[tuple[str, str], ...] = ()
    """More files of the tree."""
    words: str = ""
    """A part of the output of the first build."""


def _write(path: str, text: str) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)

    return write


def _write_compiler(comment: str) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        _write("bin/mycc", f"#!/bin/sh\n{comment}\n")(folder)
        (folder / "bin/mycc").chmod(0o755)

    return write


def _touch(path: str) -> Callable[[Path], object]:
    return lambda folder: os.utime(folder / path, (1, 1))


def _make_many(folder: Path) -> None:
    (folder / "many").mkdir()
    for number in range(2100):
        (folder / "many" / str(number)).touch()


def _make_foreign_repository(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", folder / "t"], check=True)
    if os.geteuid() == 0:
        os.chown(folder / "t" / ".git", 4711, 4711)


_SHARED = _write("common/v.txt", "1")
_CHANGED = _write("common/v.txt", "2")
_READ = 'content = open("../common/v.txt").read()'
_C = (("x.c", '#include "../common/v.h"\nint x = V;\n'),)
_HEADER = _write("common/v.h", "#define V 1\n")
_OTHER_HEADER = _write("common/v.h", "#define V 2\n")
_COMPILE = """
import subprocess
subprocess.run([os.environ.get("CC", "cc"), *OPTIONS, "x.c", "-c", "-o", "x.o"], check=True)
content = open("x.o", "rb").read().hex()
os.remove("x.o")
"""

_NINJA = """
import subprocess, tempfile
with tempfile.TemporaryDirectory() as build:
    with open(build + "/build.ninja", "w") as rules:
        rules.write("rule cc\\n command = cc -MD -MF d -c $in -o $out\\n depfile = d\\n deps = gcc\\n")
        rules.write("build x.o: cc " + os.path.abspath("x.c") + "\\n")
    subprocess.run(["ninja", "-C", build], check=True)
    content = open(build + "/x.o", "rb").read().hex()
"""

REBUILDS = [
    Rebuild("file-outside-changed", _READ, "built", _SHARED, _CHANGED),
    Rebuild("file-outside-unchanged", _READ, "cached", _SHARED),
    Rebuild("file-outside-touched", _READ, "cached", _SHARED, _touch("common/v.txt")),
    Rebuild(
        "file-outside-by-bytes-path",
        'content = open(b"../common/v.txt").read()',
        "built",
        _SHARED,
        _CHANGED,
    ),
    Rebuild(
        "file-outside-by-os-open",
        'content = os.read(os.open("../common/v.txt", os.O_RDONLY), 9).hex()',
        "built",
        _SHARED,
        _CHANGED,
    ),
    Rebuild(
        "file-outside-copied",
        'import shutil; content = open(shutil.copy("../common/v.txt", folder)).read()\n'
        'os.remove(folder + "/v.txt")',
        "built",
        _SHARED,
        _CHANGED,
    ),
    Rebuild(
        "module-outside",
        'sys.path.insert(0, "../common"); import v; content = v.V',
        "built",
        _write("common/v.py", "V = 1\n"),
        _write("common/v.py", "V = 22\n"),
    ),
    Rebuild(
        "module-outside-unchanged",
        'sys.path.insert(0, "../common"); import v; content = v.V',
        "cached",
        _write("common/v.py", "V = 1\n"),
    ),
    Rebuild(
        "folder-outside-listed",
        'content = sorted(os.listdir("../common"))',
        "built",
        _SHARED,
        _write("common/w.txt", ""),
    ),
    Rebuild(
        "missing-file-appears",
        'try: content = open("../local.cfg").read()\nexcept OSError: pass',
        "built",
        change=_write("local.cfg", "1"),
    ),
    Rebuild(
        "missing-file-stays-missing",
        'try: content = open("../local.cfg").read()\nexcept OSError: pass',
        "cached",
    ),
    Rebuild(
        "file-outside-removed",
        'try: content = open("../common/v.txt").read()\nexcept OSError: pass',
        "built",
        _SHARED,
        lambda folder: (folder / "common/v.txt").unlink(),
    ),
    Rebuild(
        "configuration-in-the-home-folder",
        'try: content = open(os.path.expanduser("~/.t.cfg")).read()\nexcept OSError: pass',
        "built",
        change=_write("../home/home/.t.cfg", "1"),
    ),
    Rebuild(
        "file-outside-read-by-a-python-process",
        "import subprocess\ncontent = subprocess.run([sys.executable, '-c',"
        " 'print(open(\"../common/v.txt\").read())'], capture_output=True).stdout",
        "built",
        _SHARED,
        _CHANGED,
    ),
    Rebuild(
        "file-outside-read-without-environment",
        "import subprocess\ncontent = subprocess.run([sys.executable, '-c',"
        " 'print(open(\"../common/v.txt\").read())'], capture_output=True, env={}).stdout",
        "built",
        _SHARED,
        _CHANGED,
    ),
    Rebuild(
        "file-outside-in-arguments-of-a-program",
        'import subprocess\ncontent = subprocess.check_output(["cat", "../common/v.txt"])',
        "built",
        _SHARED,
        _CHANGED,
    ),
    Rebuild(
        "file-outside-in-a-shell-command",
        'import subprocess\ncontent = subprocess.getoutput("cat ../common/v.txt|cat")',
        "built",
        _SHARED,
        _CHANGED,
    ),
    Rebuild(
        "folder-outside-as-working-directory",
        'import subprocess\ncontent = subprocess.check_output(["cat", "v.txt"], cwd="../common")',
        "built",
        _SHARED,
        _CHANGED,
    ),
    Rebuild(
        "folder-outside-too-large",
        'import subprocess\nsubprocess.run(["ls", "../many"], check=True)',
        "built",
        _make_many,
        words="not kept in the cache: it uses the folder",
    ),
    Rebuild(
        "file-outside-changed-by-the-build",
        f'{_READ}\nopen("../common/v.txt", "a").write("x")',
        "built",
        _SHARED,
        words="v.txt changed while it was built",
    ),
    Rebuild(
        "file-outside-made-by-the-build",
        'with open("../made", "w") as made: made.write(str(os.getpid()))\nopen("../made").read()',
        "cached",
    ),
    Rebuild(
        "temporary-files",
        "import tempfile\nwith tempfile.TemporaryDirectory() as name:\n"
        '    open(name + "/x", "w").close()\n    content = open(name + "/x").read()',
        "cached",
    ),
    Rebuild(
        "variable-set", 'content = os.environ.get("T_X")', "built", environs=({}, {"T_X": "1"})
    ),
    Rebuild(
        "variable-of-any-name-changed",
        'content = os.environ["VERSION"]',
        "built",
        environs=({"VERSION": "1"}, {"VERSION": "2"}),
    ),
    Rebuild(
        "variable-in-lower-case-changed",
        'content = os.getenv("flavour")',
        "built",
        environs=({"flavour": "1"}, {"flavour": "2"}),
    ),
    Rebuild(
        "variable-that-is-not-named-changed",
        "",
        "cached",
        environs=({"VERSION": "1"}, {"VERSION": "2"}),
    ),
    Rebuild(
        "variable-in-a-helper-module-changed",
        "import tools; content = tools.version",
        "built",
        environs=({"VERSION": "1"}, {"VERSION": "2"}),
        files=(("tools.py", 'import os\nversion = os.environ["VERSION"]\n'),),
    ),
    Rebuild(
        "variable-in-a-cmake-file-changed",
        "",
        "built",
        environs=({"FLAVOR": "1"}, {"FLAVOR": "2"}),
        files=(("CMakeLists.txt", "set(F $ENV{FLAVOR})\n"),),
    ),
    Rebuild(
        "path-in-a-cmake-file",
        "",
        "built",
        _SHARED,
        _CHANGED,
        files=(("CMakeLists.txt", "file(READ ${CMAKE_CURRENT_SOURCE_DIR}/../common/v.txt V)\n"),),
    ),
    Rebuild(
        "folder-of-a-cargo-dependency",
        "",
        "built",
        _write("core/src/lib.rs", ""),
        _write("core/src/lib.rs", "fn x() {}"),
        files=(("Cargo.toml", '[dependencies]\ncore = { path = "../core" }\n'),),
    ),
    Rebuild(
        "cargo-configuration-above-the-tree",
        "",
        "built",
        change=_write(".cargo/config.toml", "[build]\n"),
        files=(("Cargo.toml", "[package]\n"),),
    ),
    Rebuild(
        "header-outside-changed",
        _COMPILE.replace("*OPTIONS, ", ""),
        "built",
        _HEADER,
        _OTHER_HEADER,
        files=_C,
    ),
    Rebuild(
        "header-outside-unchanged",
        _COMPILE.replace("*OPTIONS, ", ""),
        "cached",
        _HEADER,
        files=_C,
    ),
    Rebuild(
        "header-outside-by-make",
        'import subprocess\nsubprocess.run(["make", "-C", "sub"], check=True)\n'
        'content = open("sub/x.o", "rb").read().hex()\nos.remove("sub/x.o")',
        "built",
        _HEADER,
        _OTHER_HEADER,
        files=(
            ("sub/x.c", '#include "../../common/v.h"\nint x = V;\n'),
            ("sub/Makefile", "x.o: x.c\n\tcc -c x.c -o x.o\n"),
        ),
    ),
    *(
        [Rebuild("header-outside-by-ninja", _NINJA, "built", _HEADER, _OTHER_HEADER, files=_C)]
        if shutil.which("ninja")
        else []
    ),
    Rebuild(
        "another-compiler-of-the-same-name",
        "",
        "built",
        _write_compiler(""),
        _write_compiler("# 2"),
        environs=({"CC": "bin/mycc"}, {"CC": "bin/mycc"}),
        files=(("x.c", ""),),
    ),
    Rebuild(
        "repository-of-another-user",
        'import subprocess\ncontent = subprocess.run(["git", "describe"], capture_output=True).stdout',
        "built" if os.geteuid() == 0 else "cached",
        _make_foreign_repository,
        words="which belongs to another user" if os.geteuid() == 0 else "",
    ),
]


def make(rebuild: Rebuild, folder: Path) -> None:
    """Write the tree of a case and what lies beside it."""
    make_hook_tree(folder, rebuild.code or "pass", files=dict(rebuild.files))
    rebuild.prepare(folder)
