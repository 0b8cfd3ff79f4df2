"""Real wheels, installed by wheelpool and by pip: file by file the same."""

from __future__ import annotations

import csv
import json
import marshal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

import pytest

from tests.support.target import Target

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.public, pytest.mark.timeout(1800)]

NAMES = [
    "black",  # commands, compiled with mypyc
    "cffi",
    "coverage",  # a .pth file
    "docutils",  # many commands
    "googleapis-common-protos",  # the namespace google
    "greenlet",  # headers
    "ipykernel",  # data files
    "jmespath",  # a script of its own
    "jupyter-core",  # jupyter.py beside a package
    "jupyterlab-widgets",  # data alone
    "markupsafe",
    "pip",  # commands with versions in their names
    "protobuf",  # the namespace google
    "psutil",
    "pytest",
    "pyyaml",
    "setuptools",  # a .pth file
    "sphinxcontrib-applehelp",  # the namespace sphinxcontrib
    "sphinxcontrib-jsmath",
    "virtualenv",  # wheels within
    "widgetsnbextension",  # data below etc
    "zope.event",  # the namespace zope
    "zope.interface",
]


@dataclass(frozen=True, kw_only=True)
class Put:
    """A file in an environment."""

    mode: int
    content: bytes
    made: float
    """Whole seconds, as bytecode notes them."""


@dataclass(frozen=True, kw_only=True)
class Furnished:
    """An environment after an installation."""

    files: dict[str, Put]
    records: dict[str, dict[str, tuple[str, str]]]
    """By metadata folder: what RECORD says, by path."""


@pytest.fixture
def wheels(public: Sandbox) -> Path:
    """The wheels, from the index."""
    folder = public.root / "wheels"
    pip("download", "--no-deps", "--only-binary", ":all:", "-d", folder, *NAMES, sandbox=public)
    assert len(list(folder.glob("*.whl"))) == len(NAMES)
    return folder


def pip(*words: str | Path, sandbox: Sandbox) -> None:
    argv = [sys.executable, "-m", "pip", *map(str, words), "-q"]
    done = subprocess.run(argv, env=sandbox.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def by_pip(sandbox: Sandbox, *what: str | Path) -> Furnished:
    """Let pip install into an environment; it is moved away afterwards."""
    target = Target(sandbox.root / "env")
    pip("--python", target.python, "install", "--no-deps", "--no-index", *what, sandbox=sandbox)
    furnished = seen(target)
    # The other one is to be at the same place: first lines and bytecode tell where they are.
    target.path.rename(sandbox.root / "by-pip")
    return furnished


def by_wheelpool(sandbox: Sandbox, *what: str | Path) -> Furnished:
    target = Target(sandbox.root / "env")
    done = sandbox.run("install", "--into", target.path, "--no-deps", "--no-index", *what)
    assert done.code == 0, done.err
    assert target.find_faults() == []
    return seen(target)


def seen(target: Target) -> Furnished:
    """Read all files that are there but for those of an empty environment."""
    records = {
        record.parent.name: {
            path: (digest, size)
            for path, digest, size in csv.reader(record.read_text().splitlines())
            if not useless(path)
        }
        for record in target.site.glob("*.dist-info/RECORD")
    }
    names = {path.relative_to(target.path).as_posix(): path for path in target.path.rglob("*")}
    empty = Target(target.path.with_name("empty"))
    old = {path.relative_to(empty.path).as_posix() for path in empty.path.rglob("*")}
    files = {
        name: read(path)
        for name, path in names.items()
        if name not in old | {".lock"} and path.is_file() and not useless(name)
    }
    return Furnished(files=files, records=records)


def useless(path: str) -> bool:
    """Return whether a file is bytecode of a script: pip makes it, and nothing ever reads it."""
    return "bin/__pycache__/" in path


def read(path: Path) -> Put:
    status = path.stat()
    return Put(mode=status.st_mode & 0o7777, content=path.read_bytes(), made=int(status.st_mtime))


def odd_files(one: Furnished, other: Furnished) -> list[str]:
    """Return the files that differ in more than they may."""
    launchers = {name for name in one.files if is_launcher(name, one.files[name].content)}
    odd = []
    for name in one.files.keys() & other.files.keys():
        ours, theirs = one.files[name], other.files[name]
        if ours.mode != theirs.mode:
            odd.append(f"{name}: mode {ours.mode:o}, not {theirs.mode:o}")
        elif name.endswith(".pyc"):
            if not same_code(ours.content, theirs.content) or not fresh(name, one.files):
                odd.append(f"{name}: bytecode")
        elif name in launchers:
            if starts(ours.content) != starts(theirs.content):
                odd.append(f"{name}: {ours.content!r}, not {theirs.content!r}")
        elif name.endswith("/direct_url.json"):
            if json.loads(ours.content) != json.loads(theirs.content):
                odd.append(f"{name}: {ours.content!r}, not {theirs.content!r}")
        elif not name.endswith((".dist-info/INSTALLER", ".dist-info/RECORD")):
            odd += [name] * (ours.content != theirs.content)
    return odd


def is_launcher(name: str, content: bytes) -> bool:
    return name.startswith("bin/") and b"sys.exit(" in content and len(content) < 1000


def starts(launcher: bytes) -> tuple[str, list[str], str]:
    """Return a launcher's first line, what it imports from where, and what it calls."""
    lines = launcher.decode().splitlines()
    imports = [line for line in lines if line.startswith("from ")]
    called = next(line.strip() for line in lines if line.strip().startswith("sys.exit("))
    return lines[0], imports, called


def fresh(name: str, files: dict[str, Put]) -> bool:
    """Return whether Python takes bytecode to be that of its source."""
    content = files[name].content
    folder, _, file = name.partition("__pycache__/")
    source = files[f"{folder}{file.partition('.')[0]}.py"]
    flags, made, size = (int.from_bytes(content[at : at + 4], "little") for at in (4, 8, 12))
    return (flags, made, size) == (0, source.made, len(source.content))


def same_code(one: bytes, other: bytes) -> bool:
    return one[:4] == other[:4] and placeless(marshal.loads(one[16:])) == placeless(
        marshal.loads(other[16:])
    )


def placeless(code: CodeType) -> CodeType:
    """Return code that does not say which file it is from."""
    consts = tuple(placeless(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename="", co_consts=consts)


def odd_rows(one: Furnished, other: Furnished) -> list[str]:
    """Return the rows of RECORDs that differ in more than they may."""
    odd = []
    for folder in one.records.keys() & other.records.keys():
        ours, theirs = one.records[folder], other.records[folder]
        odd += [f"{folder}: {path}" for path in ours.keys() ^ theirs.keys()]
        odd += [
            f"{folder}: {path} {ours[path]}, not {theirs[path]}"
            for path in ours.keys() & theirs.keys()
            if ours[path] != theirs[path]
            and not path.endswith(("/INSTALLER", "/direct_url.json"))
            and not path.startswith("../../../bin/")
        ]
    return odd


def compare(ours: Furnished, theirs: Furnished) -> None:
    assert sorted(ours.files.keys() - theirs.files.keys()) == []
    assert sorted(theirs.files.keys() - ours.files.keys()) == []
    assert odd_files(ours, theirs) == []
    assert ours.records.keys() == theirs.records.keys()
    assert odd_rows(ours, theirs) == []


def test_named_requirements_are_installed_as_pip_installs_them(
    public: Sandbox, wheels: Path
) -> None:
    what = (*NAMES, "--find-links", str(wheels))
    theirs = by_pip(public, *what)
    compare(by_wheelpool(public, *what), theirs)


def test_files_are_installed_as_pip_installs_them(public: Sandbox, wheels: Path) -> None:
    what = [path for path in sorted(wheels.glob("*.whl")) if path.stat().st_size < 100_000]
    assert len(what) > 3
    theirs = by_pip(public, *what)
    compare(by_wheelpool(public, *what), theirs)
