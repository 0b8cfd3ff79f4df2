"""The store of unpacked wheels: whole entries or none, checked, never outside of its folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from pool.cache.unpacked_wheels import UnpackedWheels
from pool.common.errors import ArchiveError
from pool.sources.wheels import zip_limits
from pool.sources.wheels.entry_points import EntryPoint
from pool.system.interpreter import Interpreter, probe
from tests.support.hook_backend import wait_until
from tests.support.wheels import INFO, METADATA, record_row, sha256, tiny_wheel

if TYPE_CHECKING:
    from pathlib import Path

ADD = """
import os, sys
from pathlib import Path
from pool.system.interpreter import probe
from pool.cache import unpacked_wheels as wheelstore
if sys.argv[4:]:
    def stuck(*args):
        Path(sys.argv[4]).touch()
        sys.stdin.read()
    wheelstore._compile = stuck
store = wheelstore.UnpackedWheels(Path(sys.argv[1]))
print(store.add(Path(sys.argv[2]), sys.argv[3], probe(None, os.environ)).path)
"""


@pytest.fixture(scope="module")
def python() -> Interpreter:
    return probe(None, os.environ)


@pytest.fixture
def store(tmp_path: Path) -> UnpackedWheels:
    return UnpackedWheels(tmp_path / "store")


def adder(store: Path, wheel: Path, *stuck: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", ADD, str(store), str(wheel), sha256(wheel), *map(str, stuck)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def new_ones(folder: Path) -> list[Path]:
    return list(folder.rglob(".new-*"))


def test_a_wheel_is_stored_by_scheme_with_its_metadata(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter
) -> None:
    files = {
        "tiny/__init__.py": "value = 1\n",
        "tiny-1.0.data/scripts/run": "#!python\n",
        "tiny-1.0.data/headers/tiny.h": "\n",
        "tiny-1.0.data/data/share/tiny": "\n",
        "tiny-1.0.data/platlib/fast.py": "value = 2\n",
        f"{INFO}/entry_points.txt": "[console_scripts]\ntiny = tiny:main [extra]\n[other]\nx = y\n",
    }
    wheel = tiny_wheel(tmp_path, files)
    assert store.get(sha256(wheel), python) is None
    stored = store.add(wheel, sha256(wheel), python)
    assert (stored.name, stored.version, stored.metadata) == ("tiny", "1.0", METADATA)
    assert stored.entry_points == (EntryPoint(name="tiny", module="tiny", attribute="main"),)
    kept = {name for name in stored.files if "dist-info" not in name}
    assert kept == {
        "purelib/tiny/__init__.py",
        f"purelib/tiny/__pycache__/__init__.{python.cache_tag}.pyc",
        "scripts/run",
        "headers/tiny.h",
        "data/share/tiny",
        "platlib/fast.py",
        f"platlib/__pycache__/fast.{python.cache_tag}.pyc",
    }
    assert store.get(sha256(wheel), python) == stored


def test_source_that_does_not_compile_is_stored_unchanged(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter
) -> None:
    wheel = tiny_wheel(tmp_path, {"old.py": "print 'two'\n", "new.py": "\n"})
    stored = store.add(wheel, sha256(wheel), python)
    assert "purelib/old.py" in stored.files
    assert f"purelib/__pycache__/new.{python.cache_tag}.pyc" in stored.files


def test_executables_stay_executable(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter
) -> None:
    wheel = tiny_wheel(tmp_path, {"tiny/tool": "#!/bin/sh\n"}, executable="tiny/tool")
    stored = store.add(wheel, sha256(wheel), python)
    assert os.access(stored.path / "purelib/tiny/tool", os.X_OK)


def test_a_wheel_spelled_in_two_ways_finds_its_data(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter
) -> None:
    info = "Tiny-1.0.dist-info"
    wheel = tiny_wheel(tmp_path, {"Tiny-1.0.data/scripts/run": "#!python\n"}, info=info)
    assert "scripts/run" in store.add(wheel, sha256(wheel), python).files


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.py", "would be written outside"),
        ("tiny/../../../evil.py", "would be written outside"),
        ("/evil.py", "not a valid wheel"),
        ("..\\evil.py", "not a valid wheel"),
        ("tiny-1.0.data/odd/x", "in an unknown scheme"),
        ("tiny-1.0.data/scripts", "in an unknown scheme"),
        ("tiny-1.0.data/scripts/../../../x", "would be written outside"),
        (f"{INFO}/METADATA/x", "not a valid wheel"),
    ],
)
def test_members_that_have_no_place_are_refused(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter, name: str, message: str
) -> None:
    wheel = tiny_wheel(tmp_path / "in", {name: "import this\n"})
    with pytest.raises(ArchiveError, match=rf"tiny-1\.0-py3-none-any\.whl: .*{message}"):
        store.add(wheel, sha256(wheel), python)
    assert store.get(sha256(wheel), python) is None
    assert not list(tmp_path.rglob("evil*"))
    assert new_ones(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "[console_scripts]\n../../evil = tiny:main\n",
        "[console_scripts]\n.. = tiny:main\n",
        "[console_scripts]\ntiny = tiny\n",
        "[console_scripts]\ntiny = :\n",
        "[console_scripts]\ntiny = tiny:import\nno value\n",
        "[gui_scripts]\na\tb = tiny:main\n",
    ],
)
def test_commands_that_are_none_are_refused(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter, text: str
) -> None:
    wheel = tiny_wheel(tmp_path, {f"{INFO}/entry_points.txt": text})
    with pytest.raises(ArchiveError, match=r"not a valid wheel: entry_points\.txt"):
        store.add(wheel, sha256(wheel), python)


@pytest.mark.parametrize(
    ("record", "note"),
    [
        ("", f"it does not list {INFO}/METADATA (and 2 more)"),
        (record_row("tiny.py", b"other"), f"it does not list {INFO}/METADATA (and 2 more)"),
        ("\0", "it lists  , which is missing (and 3 more)"),
        ("tiny.py,md5=x,1\n", f"it does not list {INFO}/METADATA (and 2 more)"),
    ],
)
def test_add_wheel_with_wrong_record_corrects_it_and_notes_it(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter, record: str, note: str
) -> None:
    wheel = tiny_wheel(tmp_path, {"tiny.py": "\n"}, record=record)
    stored = store.add(wheel, sha256(wheel), python)
    assert note in stored.note
    assert store.get(sha256(wheel), python) == stored
    corrected = (stored.path / f"purelib/{INFO}/RECORD").read_text()
    assert record_row("tiny.py", b"\n") in corrected


def test_a_file_that_is_no_wheel_is_refused(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter
) -> None:
    good = tiny_wheel(tmp_path / "good", {"tiny.py": "x = 1\n" * 1000}).read_bytes()
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for content in [b"", b"text", good[:100], good[:-30], (tmp_path / "empty.zip").read_bytes()]:
        wheel.write_bytes(content)
        with pytest.raises(ArchiveError, match="not a valid wheel"):
            store.add(wheel, sha256(wheel), python)
    odd = wheel.rename(tmp_path / "tiny.whl")
    with pytest.raises(ArchiveError, match="not a valid wheel"):
        store.add(odd, sha256(odd), python)


def test_a_bomb_is_refused(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_limits, "MAX_BYTES", 1000)
    wheel = tiny_wheel(tmp_path, {"tiny.py": "x" * 2000})
    with pytest.raises(ArchiveError, match="unpacks to more than"):
        store.add(wheel, sha256(wheel), python)


def test_processes_that_add_one_wheel_at_once_all_succeed(tmp_path: Path) -> None:
    wheel = tiny_wheel(tmp_path, {"tiny.py": "\n"})
    adders = [adder(tmp_path / "store", wheel) for _ in range(4)]
    told = {process.communicate(timeout=60)[0] for process in adders}
    assert {process.returncode for process in adders} == {0}
    assert len(told) == 1
    assert new_ones(tmp_path) == []


async def test_a_process_killed_in_the_middle_leaves_nothing_that_is_used(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter
) -> None:
    wheel = tiny_wheel(tmp_path, {"tiny.py": "\n"})
    with adder(tmp_path / "store", wheel, tmp_path / "stuck") as process:
        await wait_until((tmp_path / "stuck").exists, "it is in the middle")
        process.kill()
    (left,) = new_ones(tmp_path)
    assert store.get(sha256(wheel), python) is None
    # Another process may still write there; after a day the folder counts as abandoned.
    store.add(wheel, sha256(wheel), python)
    assert new_ones(tmp_path) == [left]
    os.utime(left, (0, 0))
    UnpackedWheels(tmp_path / "store").add(wheel, sha256(wheel), python)
    assert new_ones(tmp_path) == []


@pytest.mark.parametrize("damage", ["changed", "gone", "no marker", "torn marker", "touched"])
def test_a_damaged_entry_is_not_used_but_made_anew(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter, damage: str
) -> None:
    wheel = tiny_wheel(tmp_path, {"tiny.py": "value = 1\n"})
    stored = store.add(wheel, sha256(wheel), python)
    module, marker = stored.path / "purelib/tiny.py", stored.path / "wheel.json"
    match damage:
        case "changed":
            module.write_text("value = 23\n")
        case "touched":
            os.utime(module, (0, 0))
        case "gone":
            module.unlink()
        case "no marker":
            marker.unlink()
        case "torn marker":
            marker.write_bytes(marker.read_bytes()[:50])
    assert store.get(sha256(wheel), python) is None
    assert store.add(wheel, sha256(wheel), python).path == stored.path
    assert module.read_text() == "value = 1\n"
    assert store.get(sha256(wheel), python)


def test_get_entry_changed_with_its_time_restored_is_unpacked_again(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter
) -> None:
    wheel = tiny_wheel(tmp_path, {"tiny.py": "value = 1\n"})
    module = store.add(wheel, sha256(wheel), python).path / "purelib/tiny.py"
    status = module.stat()
    module.write_text("value = 2\n")
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))
    later = UnpackedWheels(tmp_path / "store")
    assert later.get(sha256(wheel), python) is None
    later.add(wheel, sha256(wheel), python)
    assert module.read_text() == "value = 1\n"


def test_add_modes_are_those_of_the_umask(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter
) -> None:
    wheel = tiny_wheel(tmp_path, {"tiny.py": "\n", "tool": "#!/bin/sh\n"}, executable="tool")
    modes = {}
    before = os.umask(0o077)
    try:
        for umask in (0o077, 0o022, 0o002):
            os.umask(umask)
            path = store.add(wheel, sha256(wheel), python).path / "purelib"
            modes[umask] = [(path / name).stat().st_mode & 0o777 for name in ("tiny.py", "tool")]
    finally:
        os.umask(before)
    assert modes == {0o077: [0o600, 0o711], 0o022: [0o644, 0o755], 0o002: [0o664, 0o775]}


def test_get_entry_of_other_modes_is_unpacked_again(
    store: UnpackedWheels, tmp_path: Path, python: Interpreter
) -> None:
    wheel = tiny_wheel(tmp_path, {"tiny.py": "\n"})
    module = store.add(wheel, sha256(wheel), python).path / "purelib/tiny.py"
    module.chmod(0o600)
    assert store.get(sha256(wheel), python) is None
