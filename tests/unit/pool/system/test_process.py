"""The supervisor of processes, beside the tests of hooks: housekeeping that must not fail a build."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from pool.system.process import Command, ProcessSupervisor, capture_output, marker_variables
from tests.support.build_keys import build_key


def test_marker_variables_name_the_supervisor_and_the_build() -> None:
    assert marker_variables("s") == {"WHEELPOOL_SUPERVISOR": "s"}
    assert marker_variables("s", build_key("b1", "r"))["WHEELPOOL_BUILD"] == "r/b1"


def test_capture_output_returns_standard_output() -> None:
    argv = [sys.executable, "-S", "-c", "print('hello')"]
    assert capture_output(argv, environ=os.environ, timeout=60.0) == "hello\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_hook_ends_well_although_children_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = ProcessSupervisor("no-descriptors")
    try:
        hook = supervisor.start(
            Command(
                build=build_key("b1"),
                argv=[sys.executable, "-S", "-c", "raise SystemExit(3)"],
                cwd=tmp_path,
                environ=os.environ,
                log=tmp_path / "b1.log",
            )
        )

        def fail(_: Path) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(Path, "iterdir", fail)
        assert hook.wait() == 3
    finally:
        supervisor.close()
