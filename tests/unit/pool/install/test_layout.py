"""The files of an installed wheel: paths, content and RECORD."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from pool.common.errors import InstallError
from pool.install.layout import WheelToInstall
from pool.install.staging import discard, stage
from pool.install.transaction import commit
from tests.support.installs import Yard, content, run

if TYPE_CHECKING:
    from pathlib import Path

    from pool.cache.unpacked_wheels import UnpackedWheel

POINTS = "[console_scripts]\nhello = x:main\ndeep = x:inner.main\n[gui_scripts]\nwin = x:main\n"
MODULE = "def main():\n    print('hello')\nclass inner:\n    main = main\n"


def rows(yard: Yard, name: str) -> dict[str, tuple[str, str]]:
    """Return RECORD, by path."""
    with (yard.site / f"{name}.dist-info/RECORD").open(newline="") as file:
        return {row[0]: (row[1], row[2]) for row in csv.reader(file)}


def test_each_scheme_has_its_folder(yard: Yard) -> None:
    files = {
        "x.py": MODULE,
        "DATA/purelib/pure.py": "",
        "DATA/platlib/plat.py": "",
        "DATA/data/share/x/data.txt": "data",
        "DATA/headers/x.h": "//",
        "DATA/scripts/tool": "#!python\nprint('tool')\n",
    }
    yard.put(yard.wheel("X.Y", files=files))
    there = content(yard.env.prefix)
    for path in ("x.py", "pure.py", "plat.py"):
        assert yard.site.joinpath(path).is_file()
    assert there["share/x/data.txt"] == b"data"
    python = ".".join(yard.env.interpreter.version.split(".")[:2])
    assert there[f"include/site/python{python}/X.Y/x.h"] == b"//"
    assert there["bin/tool"] == f"#!{yard.env.python}\nprint('tool')\n".encode()


def test_record_lists_all_files(yard: Yard) -> None:
    """All files are listed, sorted; digests are right, but for RECORD and bytecode, without one."""
    files = {
        "x/__init__.py": MODULE,
        "INFO/entry_points.txt": POINTS,
        "DATA/scripts/tool": "#!python\n",
        "DATA/data/etc/x": "1",
    }
    before = set(content(yard.env.prefix))
    yard.put(yard.wheel("x", files=files))
    listed = rows(yard, "x-1.0")
    assert list(listed) == sorted(listed)
    names = {os.path.relpath(yard.site / path, yard.env.prefix) for path in listed}
    # An empty folder that is no longer empty, and the bytecode of nothing, aside.
    assert names == set(content(yard.env.prefix)) - before
    assert {"../../../bin/tool", "../../../bin/hello", "../../../etc/x"} <= set(listed)
    for path, (digest, size) in listed.items():
        if path.endswith((".pyc", "/RECORD")):
            assert (digest, size) == ("", "")
            continue
        data = (yard.site / path).read_bytes()
        right = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={right}", str(len(data)))


def test_commands_run_with_the_environments_python(yard: Yard) -> None:
    yard.put(yard.wheel("x", files={"x.py": MODULE, "INFO/entry_points.txt": POINTS}))
    for name in ("hello", "deep", "win"):
        said = subprocess.run([yard.bin / name], capture_output=True, text=True, check=True)
        assert said.stdout == "hello\n"
        assert stat.S_IMODE((yard.bin / name).stat().st_mode) == 0o755


def test_commands_run_with_a_long_path_or_spaces(tmp_path: Path) -> None:
    yard = Yard(tmp_path / "it's a long way" / ("x" * 120))
    files = {"x.py": MODULE, "INFO/entry_points.txt": POINTS}
    yard.put(yard.wheel("x", files=files))
    said = subprocess.run([yard.bin / "hello"], capture_output=True, text=True, check=True)
    assert said.stdout == "hello\n"


def test_versioned_launchers_have_this_pythons_version(yard: Yard) -> None:
    points = "[console_scripts]\npip = p:m\npip3.2 = p:m\npip3 = p:m\neasy_install = p:m\neasy_install-2.7 = p:m\n"
    before = {path.name for path in yard.bin.iterdir()}
    yard.put(yard.wheel("p", files={"p.py": "", "INFO/entry_points.txt": points}))
    short = ".".join(yard.env.interpreter.version.split(".")[:2])
    made = {path.name for path in yard.bin.iterdir()} - before
    assert made == {"pip", "pip3", f"pip{short}", "easy_install", f"easy_install-{short}"}


def test_launchers_that_setuptools_made_are_replaced(yard: Yard) -> None:
    files = {
        "x.py": MODULE,
        "INFO/entry_points.txt": POINTS,
        "DATA/scripts/hello": "#!python\nraise SystemExit(9)\n",
        "DATA/scripts/hello-script.py": "#!python\n",
    }
    yard.put(yard.wheel("x", files=files))
    assert subprocess.run([yard.bin / "hello"], check=False).returncode == 0
    assert not (yard.bin / "hello-script.py").exists()


def test_installer_requested_and_direct_url_are_written(yard: Yard) -> None:
    url = {"url": "https://example.org/x.zip", "archive_info": {}}
    staged = stage(
        yard.env, [WheelToInstall(wheel=yard.wheel("x"), requested=True, direct_url=url)]
    )
    commit(staged)
    discard(staged)
    info = yard.site / "x-1.0.dist-info"
    assert (info / "INSTALLER").read_text() == "wheelpool\n"
    assert (info / "REQUESTED").read_text() == ""
    assert json.loads((info / "direct_url.json").read_text()) == url
    assert {"INSTALLER", "REQUESTED", "direct_url.json"} <= {
        path.rpartition("/")[2] for path in rows(yard, "x-1.0")
    }


def test_bytecode_is_valid_and_not_compiled_again(yard: Yard) -> None:
    yard.put(yard.wheel("x", files={"x/__init__.py": "", "x/y.py": ""}))
    cached = next(yard.site.glob("x/__pycache__/y.*.pyc"))
    before = cached.stat().st_ino
    said = run(yard.env, "import x.y, sys; print(x.y.__cached__)")
    assert said == str(cached)
    assert cached.stat().st_ino == before


@pytest.mark.parametrize("copy", [False, True])
def test_files_are_links_or_copies_with_the_same_times(yard: Yard, copy: bool) -> None:
    wheel = yard.wheel("x")
    staged = stage(yard.env, [WheelToInstall(wheel=wheel)], copy=copy)
    commit(staged)
    discard(staged)
    one, other = (wheel.path / "purelib/x.py").stat(), (yard.site / "x.py").stat()
    assert (one.st_ino == other.st_ino) is not copy
    assert one.st_mtime_ns == other.st_mtime_ns


def test_an_editable_install_imports_from_its_tree(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/tree.py").write_text("here = True\n")
    yard.put(yard.wheel("tree", files={"_tree.pth": f"{tmp_path}/src\n"}))
    assert run(yard.env, "import tree; print(tree.__file__)") == str(tmp_path / "src/tree.py")


def test_links_out_of_the_environment_are_refused(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (yard.env.prefix / "share").symlink_to(tmp_path / "elsewhere")
    wheel = yard.wheel("x", files={"DATA/data/share/x": ""})
    with pytest.raises(InstallError, match=r"x 1\.0: share/x would be written outside"):
        yard.put(wheel)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_wheel_needs_a_record(yard: Yard) -> None:
    wheel: UnpackedWheel = yard.wheel("x")
    wheel.files.pop("purelib/x-1.0.dist-info/RECORD")
    with pytest.raises(InstallError, match="no RECORD"):
        yard.stage(wheel)
