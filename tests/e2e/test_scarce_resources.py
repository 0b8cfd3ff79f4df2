"""Low limits of open files and of processes: all is built and installed, or one line says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pool
from tests.support.makers import make_sdist, make_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.slow

TREES = 20
USER = 40_000 + os.getpid() % 10_000
"""Without other processes, also while other tests run: they count together."""
PLAIN_USER = [
    "setpriv",
    f"--reuid={USER}",
    f"--regid={USER}",
    "--clear-groups",
    # The interpreter may lie below the home of root; limits of processes hold all the same.
    "--inh-caps=-all,+dac_override",
    "--ambient-caps=-all,+dac_override",
]


SET_LIMIT = """
import os, resource, sys
kind, number, *command = sys.argv[1:]
limits = {"-n": resource.RLIMIT_NOFILE, "-u": resource.RLIMIT_NPROC}
resource.setrlimit(limits[kind], (int(number), int(number)))
os.execv(command[0], command)
"""
"""As ``ulimit``, which not every shell has for processes."""


def run_limited(
    folder: Path, limit: str, *words: str, prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run wheelpool under a limit of ``ulimit``."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(Path(pool.__file__).parents[1]),
        "TMPDIR": str(folder / "tmp"),
    }
    (folder / "tmp").mkdir()
    if prefix:
        for path in (folder, folder / "tmp", *folder.glob("env/**/*"), folder / "env"):
            if path.exists():
                os.chown(path, USER, USER, follow_symlinks=False)
    command = [sys.executable, "-c", SET_LIMIT, *limit.split(), sys.executable, "-m", "app", *words]
    return subprocess.run(
        [*prefix, *command],
        cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


@pytest.fixture
def plain_user() -> list[str]:
    """The beginning of a command that runs as a user without rights."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user")
    if subprocess.run([*PLAIN_USER, sys.executable, "-c", ""], check=False).returncode:
        pytest.skip("this machine does not let a plain user run this Python")
    return PLAIN_USER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that a plain user can reach, with trees."""
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    for number in range(TREES):
        make_tree(tmp_path, f"t{number}")
    return tmp_path


def build_words(folder: Path) -> list[str]:
    trees = [str(folder / f"t{number}-1.0") for number in range(TREES)]
    return ["build", *trees, "-j", str(TREES), "--copy", "--no-ui", "-o", "out"]


def install_words(folder: Path) -> list[str]:
    links = folder / "links"
    links.mkdir()
    for number in range(8):
        for version in ("0.9", "1.0"):
            make_wheel(links, f"w{number}", version, requires=[f"w{number + 1}"])
    make_sdist(links, "w8", "1.0", requires=["s"])
    make_sdist(links, "s", "1.0")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    flags = ["--no-index", "--find-links", str(links), "--into", "env", "--no-ui"]
    return ["install", "w0", "w3", "s", *flags]


@pytest.mark.parametrize("processes", [16, 40])
def test_build_few_processes_builds_all(
    folder: Path, plain_user: list[str], processes: int
) -> None:
    done = run_limited(folder, f"-u {processes}", *build_words(folder), prefix=plain_user)
    assert done.returncode == 0, done.stderr
    assert "more processes (ulimit -u)" in done.stderr
    assert len(list(folder.glob("out/*.whl"))) == TREES
    assert [*(folder / "tmp").iterdir()] == []


@pytest.mark.parametrize("files", [32, 48, 96])
def test_build_few_open_files_builds_all(folder: Path, files: int) -> None:
    done = run_limited(folder, f"-n {files}", *build_words(folder))
    assert done.returncode == 0, done.stderr
    assert f"{files} open files (ulimit -n)" in done.stderr
    assert len(list(folder.glob("out/*.whl"))) == TREES
    assert [*(folder / "tmp").iterdir()] == []


@pytest.mark.parametrize("limit", ["-n 40", "-n 64", "-u 16", "-u 32"])
def test_install_few_resources_installs_all(
    folder: Path, plain_user: list[str], limit: str
) -> None:
    done = run_limited(folder, limit, *install_words(folder), prefix=plain_user)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in folder.glob("env/lib/*/site-packages/*.dist-info")}
    assert len(names) == 10
    assert not (folder / "env/.wheelpool").exists()


@pytest.mark.parametrize("limit", ["-n 8", "-n 12", "-n 20", "-u 4", "-u 9"])
def test_build_too_few_resources_is_one_line(
    folder: Path, plain_user: list[str], limit: str
) -> None:
    done = run_limited(folder, limit, *build_words(folder), prefix=plain_user)
    assert done.returncode == 2, done.stderr
    assert f"ulimit {limit[:2]}" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert [*(folder / "tmp").iterdir()] == []
