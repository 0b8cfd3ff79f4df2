"""Programs are found, asked for their versions, and never trusted to answer."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from pool.system.programs import Program, probe_program, uv_agrees


def program(folder: Path, name: str, script: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("name", "says", "version", "remark"),
    [
        ("make", "GNU Make 4.3", "4.3", "no jobserver by FIFO before 4.4"),
        ("gmake", "GNU Make 4.4.1", "4.4.1", "jobserver by FIFO"),
        ("ninja", "1.11.1", "1.11.1", "no jobserver before 1.13"),
        ("ninja", "1.13.2.git.kitware", "1.13.2", "jobserver"),
        ("git", "git version 2.39.5", "2.39.5", ""),
        ("cc", "what?", "", "it does not tell its version"),
    ],
)
def test_versions_tell_who_speaks_the_jobserver(
    tmp_path: Path, name: str, says: str, version: str, remark: str
) -> None:
    found = probe_program(name, program(tmp_path / "bin", name, f"echo '{says}'"))
    assert (found.path, found.version) == (tmp_path / "bin" / name, version)
    assert found.remark.startswith(remark)


def test_what_is_not_there_or_fails_is_said(tmp_path: Path) -> None:
    assert probe_program("git", {"PATH": str(tmp_path)}) == Program(path=None)
    assert probe_program("git", program(tmp_path / "bin", "git", "exit 3")).version == ""


def test_a_uv_that_locks_elsewhere_is_found_out(tmp_path: Path) -> None:
    says = "echo 'Checking lock at uv-setuptools-0000000000000000.lock' >&2; exit 2"
    environ = program(tmp_path / "bin", "uv", says)
    assert uv_agrees(tmp_path / "bin" / "uv", Path(sys.executable), environ) is False
    environ = program(tmp_path / "bin", "uv", "echo nothing")
    assert uv_agrees(tmp_path / "bin" / "uv", Path(sys.executable), environ) is None


def test_an_installed_uv_locks_where_we_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        pytest.skip("uv is not installed")
    monkeypatch.setattr(
        "pool.system.programs._PATIENCE", 30
    )  # The machine of a test is a busy one.
    assert uv_agrees(Path(found), Path(sys.executable), os.environ)
