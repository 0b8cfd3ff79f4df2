"""The record of what a build read, as it is written and as it is parsed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pool.build.frontend.read_recorder import VARIABLE
from pool.build.frontend.read_recording import (
    Dependency,
    ReadRecord,
    ReadRecording,
    read_dependency_file,
)

LINES = """
import os
open({out!r} + "/read").close()
open({out!r} + "/made", "w").close()
open({out!r} + "/made").close()
os.listdir({out!r})
try: os.open({out!r} + "/missing", os.O_RDONLY)
except OSError: pass
open({tree!r} + "/inside").close()
exec(compile("1", {tree!r} + "/code.py", "exec"))
"""


def record_of(tmp_path: Path, lines: str = LINES) -> ReadRecord:
    """Run lines of Python with the recorder; return the record."""
    tree, out, site = (tmp_path / name for name in ("tree", "out", "site"))
    for folder in (tree, out, site):
        folder.mkdir()
    (out / "read").touch()
    (tree / "inside").touch()
    recording = ReadRecording(log=tmp_path / "log", tree=tree, skipped=())
    recording.install(site)
    (line,) = site.glob("*.pth")
    code = line.read_text() + lines.format(out=str(out), tree=str(tree))
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(site)}, cwd=tree
    )
    return recording.read()


def test_recorder_separates_reads_from_own_files(tmp_path: Path) -> None:
    record = record_of(tmp_path)
    out = str(tmp_path / "out")
    assert record.complete
    assert [path for path in record.files if path.startswith(out)] == [
        f"{out}/read",
        f"{out}/made",
        f"{out}/missing",
    ]
    assert record.written == {f"{out}/made"}
    assert record.listed == [out]
    assert record.modules == [str(tmp_path / "tree/code.py")]
    assert not [path for path in record.files if path.startswith(str(tmp_path / "tree"))]


def test_recorder_in_a_folder_with_odd_bytes_records(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/it's \xe9\n"))
    folder.mkdir()
    assert record_of(folder, "import os\nos.listdir({out!r})\n").listed == [str(folder / "out")]


def test_record_without_an_interpreter_is_incomplete(tmp_path: Path) -> None:
    assert not ReadRecording(log=tmp_path / "log", tree=tmp_path, skipped=()).read().complete


@pytest.mark.parametrize("variable", ["DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"])
def test_environ_leaves_the_users_dependency_output(tmp_path: Path, variable: str) -> None:
    recording = ReadRecording(log=tmp_path / "log", tree=tmp_path, skipped=())
    interpreters = {VARIABLE: str(tmp_path / "log")}
    compilers = {"DEPENDENCIES_OUTPUT": str(tmp_path / "log.deps")}
    assert recording.environ({}) == interpreters | compilers
    assert recording.environ({variable: "x"}) == interpreters
    assert recording.environ({"CC": "ccache gcc"}) == interpreters


def test_rules_of_a_compiler_are_parsed(tmp_path: Path) -> None:
    (tmp_path / "x.d").write_text("x.o: a.c ../a\\ b.h \\\n  /c$$.h\n")
    found = read_dependency_file(tmp_path / "x.d", tmp_path / "x.d")
    paths = ["a.c", "../a b.h", "/c$.h"]
    assert list(found) == [Dependency(path, None, "a.c") for path in paths]


def test_truncated_log_of_ninja_gives_its_whole_records(tmp_path: Path) -> None:
    name = b"../v.h\0\0" + b"\xff" * 4
    record = len(name).to_bytes(4, "little") + name
    log = tmp_path / ".ninja_deps"
    log.write_bytes(b"# ninjadeps\n" + (4).to_bytes(4, "little") + record + record[:7])
    found = list(read_dependency_file(log, Path("/b/.ninja_deps")))
    assert found == [Dependency("../v.h", "/b", "../v.h")]


def test_dependency_entry_without_its_copy_is_left_out(tmp_path: Path) -> None:
    recording = ReadRecording(log=tmp_path / "log", tree=tmp_path, skipped=())
    recording.log.write_bytes(b"s\0d/x/y.d\0r/etc/passwd\0")
    record = recording.read()
    assert (record.complete, record.files, record.dependencies) == (True, ["/etc/passwd"], [])


def test_dependency_file_that_is_a_device_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x.d").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="Not a regular file"):
        list(read_dependency_file(tmp_path / "x.d", tmp_path / "x.d"))
