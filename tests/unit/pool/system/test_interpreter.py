"""Queries of interpreters, and programs that are none."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packaging.tags import sys_tags

from pool.common.errors import BuildEnvironmentError
from pool.system.interpreter import Interpreter, probe, probe_own, read_own
from tests.support.interpreters import find_python

BASE = Path(getattr(sys, "_base_executable", sys.executable))


def probe_python(python: Path | str | None) -> Interpreter:
    return probe(None if python is None else Path(python), os.environ)


def test_the_own_interpreter_is_queried_without_a_process() -> None:
    own = probe_python(None)
    assert own.version == "{}.{}.{}".format(*sys.version_info)
    assert own.executable == BASE
    assert own.tags == tuple(sys_tags())
    assert own.environment["sys_platform"] == sys.platform
    assert own.site == f"lib/python3.{sys.version_info.minor}/site-packages"
    assert own.cache_tag == sys.implementation.cache_tag


def test_a_query_does_not_change_sys_path() -> None:
    before = list(sys.path)
    probe_python(None)
    assert sys.path == before


def test_a_query_in_a_process_gives_the_same_facts() -> None:
    assert probe_python(BASE) == probe_python(None)


def test_the_executable_of_an_environment_is_its_base(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", symlinks=True)
    assert probe_python(tmp_path / "env/bin/python").executable.resolve() == BASE.resolve()


def test_a_name_is_found_on_path(tmp_path: Path) -> None:
    (tmp_path / "python-of-mine").symlink_to(BASE)
    found = probe(Path("python-of-mine"), {**os.environ, "PATH": str(tmp_path)})
    assert found.version == probe_python(None).version


def test_environment_variables_do_not_change_the_facts(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hello')")
    (tmp_path / "json.py").write_text("print('hello')")
    assert probe(BASE, {**os.environ, "PYTHONPATH": str(tmp_path)}) == probe_python(None)


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
def test_another_version_has_its_own_tags(version: str) -> None:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip("the tests run on this version")
    found = probe_python(find_python(version))
    assert found.version.startswith(version)
    assert found.cache_tag == "cpython-" + version.replace(".", "")
    assert found.environment["python_version"] == version
    assert found.tags[0].interpreter == "cp" + version.replace(".", "")
    assert found.magic != probe_python(None).magic


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.13"])
def test_the_executable_of_an_environment_of_another_version_is_its_base(
    version: str, tmp_path: Path
) -> None:
    base = find_python(version)
    subprocess.run([base, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    assert probe_python(tmp_path / "env/bin/python").executable.resolve() == base.resolve()


@pytest.mark.parametrize(
    ("version", "message"),
    [("2.7", "it is Python 2$"), ("3.6", r"it is Python 3\.6\."), ("3.8", r"it is Python 3\.8\.")],
)
def test_an_old_version_is_rejected_with_its_number(version: str, message: str) -> None:
    python = find_python(version)
    with pytest.raises(BuildEnvironmentError, match=message) as caught:
        probe_python(python)
    assert str(python) in caught.value.message
    assert "3.9 or newer" in caught.value.hint


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "there is no such file or command"),
        ("print 1", "exec format error"),
        ("#!/bin/sh\necho 1", "it is another program"),
        ("#!/bin/sh\necho '[]'", "it is another program"),
        ("#!/bin/sh\necho hello", "it is another program"),
        ("#!/bin/sh\ntrue", "it is another program"),
        ("#!/bin/sh\necho first >&2\necho broken >&2\nexit 3", "used: broken$"),
        ("#!/nonexistent/python", "no such file or directory"),
    ],
)
def test_a_program_that_is_no_python_is_rejected(
    tmp_path: Path, script: str | None, message: str
) -> None:
    python = tmp_path / "python"
    if script is not None:
        python.write_text(script)
        python.chmod(0o755)
    with pytest.raises(BuildEnvironmentError, match=message):
        probe_python(python)


def test_a_directory_and_a_text_file_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(BuildEnvironmentError, match="it is a directory"):
        probe_python(tmp_path)
    (tmp_path / "text").touch()
    with pytest.raises(BuildEnvironmentError, match="permission denied"):
        probe_python(tmp_path / "text")
    with pytest.raises(BuildEnvironmentError, match="no such file or command"):
        probe_python("python-nowhere-at-all")


@pytest.mark.parametrize(
    "answer",
    [
        '{"answer": {"version": "3.11.7", "executable": "/x"}, "layout": {}}',
        "[" * 100_000,
        (
            '{"answer": {"version": "3.11.7", "executable": "/x", "cache_tag": "x", "magic": "00", '
            '"tags": ["x"], "environment": {}, "site": "x"}, "layout": {}}'
        ),
    ],
)
def test_program_with_another_answer_is_refused(tmp_path: Path, answer: str) -> None:
    program = tmp_path / "python"
    (tmp_path / "answer").write_text(answer)
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
    program.chmod(0o755)
    with pytest.raises(BuildEnvironmentError, match="it is another program"):
        probe_python(program)


def test_probe_own_reads_the_same_facts_from_the_cache(tmp_path: Path) -> None:
    assert read_own(tmp_path, {}) is None
    probed = probe_own(tmp_path, {})
    assert read_own(tmp_path, {}) == probed == probe(None, {})
    assert read_own(tmp_path, {"ARCHFLAGS": "-arch x"}) is None
