"""The entry point: start-up cost, error messages, exit codes."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

import app
from app.cli import main as cli
from app.cli.root import root

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.home import Home


def test_version_is_that_of_the_installation(home: Home) -> None:
    done = home.run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"wheelpool {app.__version__}\n", "")
    assert app.__version__ == version("wheelpool")


def test_version_and_help_import_neither_engine_nor_screen(home: Home) -> None:
    code = (
        "import sys; from app.cli import main as cli; cli.run(sys.argv[1:]);"
        "found = {'click', 'app.config.options', 'pool', 'rich', 'textual', 'httpx', 'msgspec'};"
        "print(*sorted(found & set(sys.modules)))"
    )
    assert home.python(code, "--version").stdout.splitlines()[1:] == [""]
    assert home.python(code, "--help").stdout.splitlines()[-1] == "click"
    assert home.python(code, "build", "--help").stdout.splitlines()[-1] == (
        "app.config.options click"
    )


def test_python_m_app_runs_the_command(home: Home) -> None:
    code = "import runpy, sys; sys.argv[1:] = ['--version']; runpy.run_module('app', run_name='__main__')"
    done = home.python(code)
    assert (done.returncode, done.stdout) == (0, f"wheelpool {app.__version__}\n")


def test_no_arguments_print_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    assert "Examples:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["frob"], "No such command 'frob'."),
        (["build", "--bogus", "x"], "No such option '--bogus'"),
        (["build", "x", "-j"], "Option '-j' requires an argument."),
        (["runs", "-n", "0"], "0 is not in the range x>=1"),
        (["replay", "--speed", "100", "x"], "100.0 is not in the range"),
    ],
)
def test_bad_usage_is_reported_with_a_hint_at_help(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(words) == 2
    out, err = capsys.readouterr()
    first, hint = err.splitlines()
    assert out == ""
    assert first.startswith("wheelpool: ")
    assert message in first
    assert hint.startswith("  for more information, try 'wheelpool")
    assert hint.endswith("--help'")


def test_no_targets_are_reported_with_possible_targets(home: Home) -> None:
    for command in ("build", "install"):
        done = home.run(command)
        assert done.returncode == 2
        assert "no targets given" in done.stderr
        assert "-r, --pylock or --group" in done.stderr


def test_all_invalid_targets_are_reported_and_nothing_starts(home: Home) -> None:
    done = home.run("build", home.tree("good"), "./nope", "six==", "hg+http://u:secret@x.test/a")
    assert done.returncode == 2
    messages = [line for line in done.stderr.splitlines() if line.startswith("wheelpool: ")]
    assert [line.split()[1].strip(":'") for line in messages] == [
        "./nope", "six==", "hg+http://***@x.test/a",
    ]  # fmt: skip
    assert not (home.state / "runs").exists()
    assert not (home.root / "wheelhouse").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-j", "0"], "--builds: '0'"),
        (["--downloads", "x"], "--downloads: 'x'"),
        (["-o", "/dev/null/x"], "/dev/null/x: cannot write wheels there"),
        (["--python", "/nope"], "/nope: this Python cannot be used"),
        (["--log", "/dev/null/x.jsonl"], "x.jsonl: the log cannot be written"),
        (["-C", "novalue"], "-C novalue: "),
    ],
)
def test_invalid_values_are_refused_before_anything_starts(
    home: Home, words: list[str], message: str
) -> None:
    done = home.run("build", home.tree("good"), *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(home.root.glob("**/*.whl"))


def test_an_invalid_configuration_file_is_refused(home: Home) -> None:
    file = home.configure("builds = 'many'")
    done = home.run("build", home.tree("good"))
    assert done.returncode == 2
    assert f"{file}:1: builds: expected int, got str" in done.stderr


def test_escapes_in_arguments_do_not_reach_the_terminal(home: Home) -> None:
    assert "\x1b" not in home.run("build", "./\x1b[31mred", "\x1b]0;title\x07").stderr


def test_a_target_that_is_not_utf8_is_refused(home: Home) -> None:
    done = home.run("build", "./caf\udce9")
    assert done.returncode == 2
    assert "not valid UTF-8" in done.stderr


def test_an_internal_error_is_one_line_and_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError("oh")

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(root, "main", broken)
    assert cli.run(["runs"]) == 3
    err = capsys.readouterr().err
    assert err.startswith("wheelpool: internal error: ZeroDivisionError: oh")
    assert len(err.splitlines()) == 1
    (file,) = tmp_path.iterdir()
    assert str(file) in err
    assert "Traceback" in file.read_text()


def test_an_interrupt_returns_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(root, "main", interrupted)
    assert cli.run(["runs"]) == 130


def test_windows_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert cli.run(["runs"]) == 2
    assert "Windows" in capsys.readouterr().err


def test_another_package_named_pool_is_refused(home: Home) -> None:
    (home.root / "shadow").mkdir()
    (home.root / "shadow" / "pool.py").touch()
    code = "import sys; sys.path.insert(0, 'shadow'); from app.cli import main as cli; sys.exit(cli.run(['runs']))"
    done = home.python(code)
    assert done.returncode == 2
    assert "shadow/pool.py" in done.stderr


def test_a_closed_pipe_is_no_error(home: Home) -> None:
    code = (
        "import os, subprocess, sys; r, w = os.pipe(); os.close(r);"
        f"sys.exit(subprocess.call([{str(home.command)!r}, 'runs'], stdout=w))"
    )
    done = home.python(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_behind_stdout_is_reported(home: Home) -> None:
    code = f"import subprocess, sys; sys.exit(subprocess.call([{str(home.command)!r}, 'runs'], stdout=open('/dev/full', 'w')))"
    done = home.python(code)
    assert (done.returncode, done.stderr) == (1, "wheelpool: stdout: no space left on device\n")


def test_runs_lists_a_run_and_replay_takes_its_id(home: Home) -> None:
    built = home.run("build", home.tree("liba"), "-q")
    assert built.returncode == 0, built.stderr
    listed = home.run("runs")
    assert listed.returncode == 0
    assert "1 built" in listed.stdout
    again = home.run("replay", listed.stdout.split()[0])
    assert again.returncode == 0
    assert "      Built liba 1.0" in again.stderr


def test_replay_refuses_a_file_that_is_no_journal(home: Home) -> None:
    (home.root / "notes.txt").write_text("hello\n")
    done = home.run("replay", "notes.txt")
    assert done.returncode == 2
    assert done.stderr.startswith("wheelpool: notes.txt: no header of a wheelpool log")


def test_settings_come_from_flags_environment_and_file(home: Home) -> None:
    home.configure("builds = 3\ninstalls = 4\nout-dir = 'from-file'")
    tree = home.tree("liba")
    done = home.run("build", tree, "--json", "-j", "5", WHEELPOOL_CONCURRENT_INSTALLS="6")
    started = json.loads(done.stdout.splitlines()[1])
    assert started["limits"].pop("memory") > 0, "as much as the machine has"
    assert started["limits"] == {"builds": 5, "downloads": 8, "installs": 6, "jobs": 5}
    assert started["out_dir"] == str(home.root / "from-file")
