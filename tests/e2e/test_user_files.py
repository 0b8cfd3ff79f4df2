"""Files and folders of the user: odd names, missing homes, private modes, logs of others."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

import pool
from tests.support.sandbox import BIN, Sandbox, make_setuptools_tree

pytestmark = pytest.mark.slow

NOT_UTF8 = os.fsdecode(b"b\xe9d")
NAMELESS = 54_321

BACKEND = """
import os, zipfile
def build_wheel(out, settings=None, metadata=None):
    name = "t-1-py3-none-any.whl"
    info = "t-1.dist-info/"
    with zipfile.ZipFile(os.path.join(out, name), "w") as wheel:
        wheel.writestr("t.py", "")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: t\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", f"t.py,,\\n{info}METADATA,,\\n{info}WHEEL,,\\n{info}RECORD,,\\n")
    print("built in", os.getcwd())
    return name
"""


def make_tree(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
    )
    (folder / "b.py").write_text(BACKEND)
    return folder


def run(
    sandbox: Sandbox,
    *words: str | Path,
    cwd: Path | None = None,
    uid: int | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    prefix = [] if uid is None else as_user(uid)
    return subprocess.run(
        [*prefix, BIN / "wheelpool", *words], env={**sandbox.environ, **(env or {})},
        cwd=cwd or sandbox.root, capture_output=True, check=False,
    )  # fmt: skip


def as_user(uid: int) -> list[str]:
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


def test_output_folder_that_is_not_utf8_gets_the_wheel(sandbox: Sandbox) -> None:
    tree, out = make_tree(sandbox.root / "t"), sandbox.root / NOT_UTF8 / "out"
    done = run(sandbox, "build", tree, "-o", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == os.fsencode(out / "t-1-py3-none-any.whl") + b"\n"
    assert [*out.iterdir()]
    done = run(sandbox, "build", tree, "-o", out, "--json")
    assert done.returncode == 0, done.stderr
    done.stdout.decode()


@pytest.mark.parametrize("words", [(), ("--copy",), ("-C", f"key={NOT_UTF8}")])
def test_working_folder_that_is_not_utf8(sandbox: Sandbox, words: tuple[str, ...]) -> None:
    tree = make_tree(sandbox.root / NOT_UTF8 / "t")
    for _ in range(2):
        done = run(sandbox, "build", "./t", *words, cwd=tree.parent)
        assert done.returncode == 0, done.stderr
    assert [*(tree.parent / "wheelhouse").iterdir()]


@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR"])
def test_folder_of_a_variable_that_is_not_utf8(sandbox: Sandbox, variable: str) -> None:
    tree, folder = make_tree(sandbox.root / "t"), sandbox.root / NOT_UTF8
    folder.mkdir()
    done = run(sandbox, "build", tree, env={variable: str(folder)})
    assert done.returncode == 0, done.stderr


needs_root = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root can become another user"
)


@needs_root
@pytest.mark.parametrize("home", [None, ""])
@pytest.mark.parametrize("command", [("build", "six"), ("runs",), ("doctor",), ("cache", "dir")])
def test_user_without_a_home_and_a_name_gets_a_hint(
    sandbox: Sandbox, home: str | None, command: tuple[str, ...]
) -> None:
    make_tree(sandbox.root / "t")
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        del sandbox.environ[name]
    done = run(
        sandbox, *command, cwd=Path("/"), uid=NAMELESS, env={} if home is None else {"HOME": home}
    )
    assert done.returncode == 2, done.stderr
    assert b"has no home directory" in done.stderr
    assert b"set HOME" in done.stderr


def test_home_of_an_unknown_user_is_no_internal_error(sandbox: Sandbox) -> None:
    for words, reason in (
        (("build", "~no-such-user/t"), b"no such user"),
        (("replay", "~no-such-user/run.jsonl"), b"no such file"),
    ):
        done = run(sandbox, *words)
        assert done.returncode == 2, done.stderr
        assert reason in done.stderr.lower()


def test_runs_belong_to_their_user(sandbox: Sandbox) -> None:
    tree = make_tree(sandbox.root / "t")
    before = os.umask(0)
    try:
        state = sandbox.root / "state" / "wheelpool"
        (state / "runs").mkdir(parents=True)  # As an older version made it.
        log = sandbox.root / "run.jsonl"
        assert run(sandbox, "build", tree, "--no-cache").returncode == 0
        assert run(sandbox, "build", tree, "--no-cache", "--log", log).returncode == 0
    finally:
        os.umask(before)
    for path in (
        state,
        *state.glob("runs/*"),
        *state.glob("runs/*/logs"),
        log.with_suffix(".logs"),
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    files = [log, *state.glob("runs/*/events.jsonl"), *state.glob("runs/*/logs/*.log")]
    files += log.with_suffix(".logs").glob("*.log")
    assert len(files) == 4
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@needs_root
def test_another_user_cannot_read_runs(sandbox: Sandbox) -> None:
    make_tree(sandbox.root / "t")
    state = Path(tempfile.mkdtemp())  # The folders of pytest are private themselves.
    state.chmod(0o755)
    assert run(sandbox, "build", "./t", env={"XDG_STATE_HOME": str(state)}).returncode == 0
    (journal,) = state.glob("wheelpool/runs/*/events.jsonl")
    done = subprocess.run([*as_user(NAMELESS), "cat", journal], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"ermission denied" in done.stderr
    shutil.rmtree(state)


def test_log_keeps_the_files_of_the_user(sandbox: Sandbox) -> None:
    tree, logs = make_tree(sandbox.root / "t"), sandbox.root / "build.logs"
    logs.mkdir()
    for name in ("mine.log", "t.log"):
        (logs / name).write_text("a user's file")
    log = sandbox.root / "build.jsonl"
    for _ in range(2):
        assert run(sandbox, "build", tree, "--no-cache", "--log", log).returncode == 0
    assert {file.name for file in logs.iterdir()} == {"mine.log", "t.log", "t.2.log"}
    assert (logs / "mine.log").read_text() == (logs / "t.log").read_text() == "a user's file"


def test_second_run_with_the_log_of_a_live_run_is_refused(sandbox: Sandbox) -> None:
    hold = sandbox.root / "hold"
    hold.touch()
    held, log = make_setuptools_tree(sandbox.root / "held", "held"), sandbox.root / "run.jsonl"
    words: list[str | Path] = [BIN / "wheelpool", "build", held, "--log", log]
    with subprocess.Popen(
        words, env={**sandbox.environ, "HOLD": str(hold)}, cwd=sandbox.root,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as first:  # fmt: skip
        while sandbox.running() < 1:
            assert first.poll() is None
        second = run(sandbox, "build", make_tree(sandbox.root / "t"), "--log", log)
        hold.unlink()
        assert first.wait() == 0
    with pool.JournalReader(log) as reader:
        name = reader.header.run.encode()
        assert any(isinstance(event, pool.events.RunFinished) for event in reader.read())
    assert second.returncode == 2
    assert b"run " + name + b" is writing this log" in second.stderr
