"""Programs on PATH: versions, the jobserver, and programs that fail."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from pool.system import programs
from pool.system.programs import Program, probe_program, uv_has_same_lock


def program(folder: Path, name: str, script: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("name", "says", "version", "remark"),
    [
        ("make", "GNU Make 4.3", "4.3", "no FIFO jobserver before 4.4"),
        ("gmake", "GNU Make 4.4.1", "4.4.1", "FIFO jobserver"),
        ("ninja", "1.11.1", "1.11.1", "no jobserver before 1.13"),
        ("ninja", "1.13.2.git.kitware", "1.13.2", "jobserver"),
        ("git", "git version 2.39.5", "2.39.5", ""),
        ("cc", "what?", "", "it does not print its version"),
    ],
)
def test_the_note_describes_the_jobserver_of_a_version(
    tmp_path: Path, name: str, says: str, version: str, remark: str
) -> None:
    found = probe_program(name, program(tmp_path / "bin", name, f"echo '{says}'"))
    assert (found.path, found.version) == (tmp_path / "bin" / name, version)
    assert found.note.startswith(remark)


def test_a_missing_or_failing_program_has_no_version(tmp_path: Path) -> None:
    assert probe_program("git", {"PATH": str(tmp_path)}) == Program(path=None)
    assert probe_program("git", program(tmp_path / "bin", "git", "exit 3")).version == ""


def test_a_uv_with_another_lock_is_detected(tmp_path: Path) -> None:
    says = "echo 'Checking lock at uv-setuptools-0000000000000000.lock' >&2; exit 2"
    environ = program(tmp_path / "bin", "uv", says)
    assert uv_has_same_lock(tmp_path / "bin" / "uv", Path(sys.executable), environ) is False
    environ = program(tmp_path / "bin", "uv", "echo nothing")
    assert uv_has_same_lock(tmp_path / "bin" / "uv", Path(sys.executable), environ) is None


def test_a_slow_uv_leaves_nothing_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(programs, "_TIMEOUT_SECONDS", 0.3)
    script = """
        mkdir -p "$UV_CACHE_DIR/deep/er" "$TMPDIR/locked"
        touch "$TMPDIR/locked/file"
        chmod 0 "$TMPDIR/locked"
        exec sleep 600
    """
    environ = program(tmp_path / "bin", "uv", script)
    environ["PATH"] += ":/usr/bin:/bin"
    assert uv_has_same_lock(tmp_path / "bin" / "uv", Path(sys.executable), environ) is None
    assert list(temporary.iterdir()) == []


def test_an_installed_uv_has_the_same_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        pytest.skip("uv is not installed")
    monkeypatch.setattr(
        "pool.system.programs._TIMEOUT_SECONDS", 30
    )  # The machine of a test is a busy one.
    assert uv_has_same_lock(Path(found), Path(sys.executable), os.environ)
