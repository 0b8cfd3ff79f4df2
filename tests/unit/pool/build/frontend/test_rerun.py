"""The command that repeats a hook: a shell runs it, whatever bytes its paths have."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pool.build.frontend.hooks import HookCall
from pool.build.frontend.rerun import rerun_command
from tests.support.build_keys import build_key

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", [b"plain", b"a b", b"it's", b"\xff\xfe", b"a\nb", b"%d\\n$x\x1b"])
def test_rerun_command_with_any_path_runs_the_hook(tmp_path: Path, name: bytes) -> None:
    tree = tmp_path / os.fsdecode(name)
    tree.mkdir()
    (tree / "backend.py").write_text(
        "import os\n"
        "def build_wheel(folder, settings):\n"
        "    return ascii((os.fsencode(folder), os.getcwdb(), settings))\n"
    )
    binaries = tree / "bin"
    binaries.mkdir()
    (binaries / "python").symlink_to(sys.executable)
    call = HookCall(
        build=build_key(),
        tree=tree,
        python=binaries / "python",
        backend="backend",
        backend_path=(".",),
        hook="build_wheel",
        config_settings={"a": "1"},
        output=tree / "out",
        log=tree / "log",
        fds=(),
        environ={},
    )
    line = rerun_command(call)
    assert line.isprintable()
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
    folder = os.fsencode(tree)
    assert done.stdout.strip() == ascii((folder + b"/out", folder, {"a": "1"}))
