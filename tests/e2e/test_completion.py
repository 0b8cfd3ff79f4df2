"""Completion in bash, zsh and fish."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.home import Home
from tests.support.saved_runs import NEWER, OLDER, save_two_runs


@pytest.fixture
def saved(home: Home) -> Home:
    """Return a home with two saved runs, a directory and a file."""
    save_two_runs(home)
    (home.root / "my tree").mkdir()
    (home.root / "reqs.txt").touch()
    home.environ["PATH"] = f"{home.command.parent}:{home.environ['PATH']}"
    return home


def find_shell(shell: str) -> str:
    """Return the path of a shell; skip the test without it."""
    if (found := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed")
    return found


def script_of(home: Home, shell: str) -> Path:
    path = home.root / f"script.{shell}"
    path.write_text(home.run("completion", shell).stdout)
    return path


class Shell:
    """A shell at a terminal, in which a line is completed."""

    def __init__(self, home: Home, argv: list[str], before: str, tabs: str) -> None:
        self._tabs = tabs
        environ = {**home.environ, "TERM": "dumb", "PS1": "$ ", "PROMPT": "$ "}
        self._child = pexpect.spawn(
            argv[0], argv[1:], cwd=home.root, env=environ, encoding="utf-8",
            dimensions=(50, 160), timeout=30,
        )  # fmt: skip
        self._child.sendline(f"{before}; echo rea''dy")
        self._child.expect("ready\r\n")

    def completes(self, typed: str, to: str) -> None:
        """Check that Tab completes the typed line to this one."""
        self._child.send(f"{typed}\t")
        self._child.expect(re.escape(to))
        self._child.send("\x15")

    def lists(self, typed: str, *words: str) -> None:
        """Check that Tab lists all these words, in this order."""
        self._child.send(f"{typed}{self._tabs}")
        for word in words:
            self._child.expect(re.escape(word))
        self._child.send("\x15")

    def close(self) -> None:
        self._child.close(force=True)


@pytest.fixture
def bash(saved: Home) -> Iterator[Shell]:
    argv = [find_shell("bash"), "--norc", "--noprofile", "-i"]
    before = f"bind 'set enable-bracketed-paste off'; . {script_of(saved, 'bash')}"
    shell = Shell(saved, argv, before, tabs="\t\t")
    yield shell
    shell.close()


@pytest.fixture
def zsh(saved: Home) -> Iterator[Shell]:
    argv = [find_shell("zsh"), "-f", "-i", "-V"]
    before = f"autoload -U compinit; compinit -u -D; . {script_of(saved, 'zsh')}"
    shell = Shell(saved, argv, before, tabs="\t")
    yield shell
    shell.close()


def test_bash_completes_commands_flags_words_files_and_runs(bash: Shell) -> None:
    bash.completes("wheelpool unin", "wheelpool uninstall")
    bash.completes("wheelpool build --installs 2 --down", "--downloads")
    bash.completes("wheelpool limit mem", "limit memory")
    bash.completes("wheelpool limit memory o", "memory off")
    bash.completes("wheelpool build -r req", "-r reqs.txt")
    bash.completes("wheelpool install -e my", "my\\ tree/")
    bash.completes("wheelpool replay 20261120", f"replay {OLDER}")
    bash.lists("wheelpool replay 2026112", NEWER, OLDER)


def test_zsh_completes_and_describes(zsh: Shell) -> None:
    zsh.completes("wheelpool unin", "stall")
    zsh.completes("wheelpool limit mem", "ory")
    zsh.completes("wheelpool build -r req", "s.txt")
    zsh.completes("wheelpool install -e my", "\\ tree")
    zsh.lists("wheelpool build --no-b", "--no-binary", "Do not use wheels of these packages.")
    zsh.lists("wheelpool replay 2026112", NEWER, "six==1.17.0 ./my-lib", OLDER)


def test_fish_completes_and_describes(saved: Home) -> None:
    fish, script = find_shell("fish"), script_of(saved, "fish")

    def offers(line: str) -> list[list[str]]:
        done = subprocess.run(
            [fish, "--no-config", "-c", f"source {script}; complete -C '{line}'"],
            cwd=saved.root, env=saved.environ, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [line.split("\t") for line in done.stdout.splitlines()]

    assert ["uninstall", "Uninstall distributions, all of them or none."] in offers("wheelpool un")  # fmt: skip
    assert offers("wheelpool limit mem") == [["memory"]]
    assert ["reqs.txt"] in [offer[:1] for offer in offers("wheelpool build -r req")]
    assert [offer[0] for offer in offers("wheelpool install -e my")] == ["my tree/"]
    runs = offers("wheelpool replay 2026112")
    assert [run[0] for run in runs] == [NEWER, OLDER]
    assert "./other, too" in runs[0][1]
