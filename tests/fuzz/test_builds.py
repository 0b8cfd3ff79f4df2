"""Output of builds and trees: results of hooks, records of reads, repositories, programs."""

from __future__ import annotations

import contextlib
import io
import struct
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.build.frontend.hook_result import check_result, read_output
from pool.build.frontend.read_recording import ReadRecording
from pool.build.read_inputs import InputFinder
from pool.cache.build_inputs import UnknownInputError
from pool.common.errors import (
    ArchiveError,
    BackendError,
    BuildEnvironmentError,
    ProjectError,
    RequirementsFileError,
)
from pool.requirements.pyproject import read_dependencies, read_dependency_group
from pool.sources.fingerprint import read_tree
from pool.sources.pyproject import read_project
from pool.sources.sdist import read_static_metadata, read_static_tree_metadata
from pool.system import process
from pool.system.interpreter import probe_layout
from tests.fuzz.entries import make_entry
from tests.fuzz.limits import fuzz, limited
from tests.fuzz.strategies import damaged, damaged_json, expand, joined

RESULT = {"unsupported": False, "return_val": "a-1-py3-none-any.whl"}
KINDS = st.sampled_from(["file", "file", "folder", "fifo", "loop", "dangling", "device"])


@pytest.mark.stress
@fuzz(50)
@given(
    damaged_json(RESULT) | st.binary(max_size=30),
    KINDS,
    KINDS,
    st.sampled_from(["build_wheel", "get_requires_for_build_wheel"]),
)
def test_result_of_any_hook_is_a_file_of_its_folder_or_refused(
    data: bytes, kind: str, wheel: str, hook: Any
) -> None:
    with TemporaryDirectory() as name:
        make_entry(Path(name, "output.json"), kind, expand(data))
        make_entry(Path(name, "wheels", "a-1-py3-none-any.whl"), wheel, b"x")
        with limited(BackendError):
            output = read_output(Path(name, "output.json"), hook)
            result = check_result((output or {}).get("return_val"), hook, Path(name, "wheels"))
            if hook == "build_wheel":
                assert Path(name, "wheels", str(result)).read_bytes() == b"x"


RECORD_PIECES = (
    *("s", "r/etc/passwd", "r", "w/x", "l/", "a/usr", "m/x.py", "pcc", "c/x.d", "d/y.d", "d", "c"),
    *(
        "\0",
        "\0",
        "\0",
        "/dev/zero",
        "fifo",
        "loop",
        "\udcff",
        "<LONG>",
        "/proc/self/mem",
        "TREE/x",
    ),
)
RULES = (
    *("x.o:", " ", "a.c", "../b.h", "/etc/passwd", "\\\n", "\\", "$$", ":", "\n", "\0", "<LONG>"),
    *("../" * 30, "\udcff", "# ninjadeps\n"),
)
TREE_FILES = ("x.d", "CMakeLists.txt", "pyproject.toml", "setup.py", "a.c", ".ninja_deps", "s/y.d")


@pytest.mark.stress
@fuzz(50)
@given(
    joined(RECORD_PIECES),
    joined(RULES),
    st.dictionaries(st.sampled_from(TREE_FILES), st.tuples(KINDS, joined(RULES))),
)
def test_record_of_any_build_gives_inputs_or_a_reason(
    log: str, rules: str, files: dict[str, tuple[str, str]]
) -> None:
    with TemporaryDirectory() as name:
        tree = Path(name, "tree")
        tree.mkdir()
        make_entry(tree / "fifo", "fifo", b"")
        for path, (kind, text) in files.items():
            make_entry(tree / path, kind, expand(text))
        for file, text in (("log", log.replace("TREE", str(tree))), ("log.deps", rules)):
            Path(name, file).write_bytes(expand(text))
        recording = ReadRecording(log=Path(name, "log"), tree=tree, skipped=())
        finder = InputFinder(
            tree=tree, python=Path("/usr/bin/python3"), excluded=(), environ={}, since=0
        )
        with limited(UnknownInputError, OSError):
            finder.find(recording.read())


GIT = {
    "HEAD": ("ref: refs/heads/main\n", "ref:", "ref: ../../x", "0" * 40, "\0", "\n", " ", "<LONG>"),
    "packed-refs": (
        "# pack-refs\n",
        "0" * 40,
        " refs/heads/main\n",
        " refs/tags/v1\n",
        "^",
        "\udcff",
    ),
    "refs/heads/main": ("0" * 40, "\n", "ref: refs/heads/main", "\0", "\udcff"),
    "refs/tags/v1": ("0" * 40, "\n", "\0"),
    "commondir": ("..", "/", "\0", "\n", "fifo", "<LONG>", "."),
    "reftable/tables.list": ("x", "\n", "\0"),
    "shallow": ("0" * 40, "\n"),
}
INDEX = struct.pack(">4sII", b"DIRC", 2, 2) + (b"\1" * 60 + b"\0\3a.c\0\0\0\0\0\0\0") * 2


@pytest.mark.stress
@fuzz(50)
@given(
    st.fixed_dictionaries({}, optional={name: joined(texts) for name, texts in GIT.items()}),
    damaged(INDEX),
    KINDS,
    st.none() | joined(("gitdir: ", "real", "..", "/", "\0", "<LONG>", "\udcff", "\n")),
)
def test_read_tree_with_any_repository_has_a_fingerprint_or_none(
    texts: dict[str, str], index: bytes, kind: str, link: str | None
) -> None:
    with TemporaryDirectory() as name:
        tree = Path(name, "tree")
        git = tree / ".git" if link is None else tree / "real"
        for path, text in texts.items():
            make_entry(git / path, "file", expand(text))
        make_entry(git / "index", kind, expand(index))
        if link is not None:
            (tree / ".git").write_bytes(expand(link))
        with limited():
            read_tree(tree)


PROJECT = (
    *("[build-system]\n", "[project]\n", "requires", "=", "[", "]", '"', "setuptools", ",", "\n"),
    *('requires = ["setuptools"]\n', 'build-backend = "x"\n', 'backend-path = ["."]\n', "'../x'"),
    *('name = "a"\n', 'version = "1"\n', 'dynamic = ["version"]\n', 'dependencies = ["b"]\n'),
    *(
        "[dependency-groups]\n",
        'a = ["b"]\n',
        'a = [{include-group = "a"}]\n',
        "{",
        "}",
        "1",
        "1.5",
    ),
    *("[project.optional-dependencies]\n", "[tool.poetry]\n", "<DIGITS>", "<DEEP>", "\0", "\udcff"),
    *("<PARENTHESES>", "1979-05-27", "inf", "[[x]]\n", '"""', "\\ud800", "a @ file:///dev/zero"),
    *("dependencies = [\"b; python_version < '3'\"]\n", "requires-python = '>=3'\n", "x.y.z = 1\n"),
)


@pytest.mark.stress
@fuzz(50)
@given(joined(PROJECT), KINDS)
def test_project_of_any_pyproject_is_read_or_refused(text: str, kind: str) -> None:
    with TemporaryDirectory() as name:
        tree = Path(name)
        make_entry(tree / "pyproject.toml", "file" if kind == "fifo" else kind, expand(text))
        for read in (
            read_project,
            read_dependencies,
            read_static_tree_metadata,
            lambda tree: read_dependency_group(tree / "pyproject.toml", "a"),
        ):
            with contextlib.suppress(ExceptionGroup), limited(*_PROJECT_ERRORS):
                read(tree)


_PROJECT_ERRORS = (ProjectError, RequirementsFileError, OSError)
PKG_INFO = (
    *("Metadata-Version: 2.2\n", "Name: a\n", "Version: 1\n", "Dynamic: ", "Requires-Dist: b", ":"),
    *(
        "\n",
        " ",
        "\t",
        "\r",
        "\0",
        "\udcff",
        "<LONG>",
        "<DIGITS>",
        "Metadata-Version: x\n",
        "=?x?=",
    ),
)


@pytest.mark.stress
@fuzz(50)
@given(joined(PKG_INFO), st.sampled_from(["a-1/PKG-INFO", "a-1/./PKG-INFO", "PKG-INFO", "../x"]))
def test_read_static_metadata_of_any_sdist_gives_text_or_none(text: str, member: str) -> None:
    data = expand(text)
    with TemporaryDirectory() as name:
        path = Path(name, "a-1.tar.gz")
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        with limited(ArchiveError):
            read_static_metadata(path)


ANSWER = {
    "answer": {
        "version": "3.11.7",
        "executable": "/usr/bin/python3",
        "cache_tag": "cpython-311",
        "magic": "a70d0d0a",
        "tags": ["py3-none-any"],
        "environment": {"python_version": "3.11"},
        "site": "lib/python3.11/site-packages",
    },
    "layout": {
        "prefix": "/x",
        "managed": False,
        **dict.fromkeys(("purelib", "platlib", "scripts", "data", "headers"), "/x/y"),
    },
}


@pytest.mark.stress
@fuzz(50)
@given(damaged_json(ANSWER) | st.binary(max_size=20))
def test_probe_of_any_program_gives_an_interpreter_or_is_refused(answer: bytes) -> None:
    output = expand(answer).decode("utf-8", "surrogateescape")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(process, "capture_output", lambda *_, **__: output)
        with limited(BuildEnvironmentError):
            interpreter, _ = probe_layout(Path("/bin/sh"), {})
            assert interpreter.tags is not None
