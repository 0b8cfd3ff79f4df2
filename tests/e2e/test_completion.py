"""The Tab key in real shells, and what it is offered."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

import pool
from app.cli.completion import (
    active_run_candidates,
    cancellable_build_candidates,
    retriable_build_candidates,
    saved_run_candidates,
)
from pool import events
from tests.support.commands import COMMANDS, parameters_of
from tests.support.home import Home, write_journal

NEWER, OLDER = "20261121-031205-4711", "20261120-020000-4712"
A, B, C, D = (pool.BuildId(f"b{n}") for n in (1, 2, 3, 4))
STORY: list[events.KnownEvent] = [
    events.RunStarted(limits={pool.LimitName.BUILDS: 2}, targets=4, out_dir="w", logs="logs"),
    events.BuildQueued(build=A, name="six", version="1.17.0", target="six==1.17.0", log="a"),
    events.BuildQueued(build=B, name="my-lib", target="./my-lib", log="b"),
    events.BuildQueued(build=C, name="my-lib", target="./other, too", log="c"),
    events.BuildQueued(build=D, name="old", target="./old", log="d"),
    events.BuildStarted(build=A, slot=1),
    events.BuildFinished(build=D, outcome=pool.Outcome.FAILED, message="no"),
]


@pytest.fixture
def saved(home: Home) -> Home:
    """A home with two saved runs."""
    for run, day in (NEWER, "2026-11-21"), (OLDER, "2026-11-20"):
        journal = write_journal(home.state / "runs" / run, STORY, run=run)
        journal.write_text(journal.read_text().replace("2026-11-21", day))
    (home.root / "my tree").mkdir()
    (home.root / "reqs.txt").touch()
    home.environ["PATH"] = f"{home.command.parent}:{home.environ['PATH']}"
    return home


def needs(shell: str) -> str:
    """Return where a shell is."""
    if (found := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed")
    return found


def script_of(home: Home, shell: str) -> Path:
    path = home.root / f"script.{shell}"
    path.write_text(home.run("completion", shell).stdout)
    return path


class Shell:
    """A shell at a terminal, into which a line is typed up to its Tab."""

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
        """The Tab key makes a line of what was typed."""
        self._child.send(f"{typed}\t")
        self._child.expect(re.escape(to))
        self._child.send("\x15")

    def lists(self, typed: str, *words: str) -> None:
        """The Tab key shows all of these, in this order."""
        self._child.send(f"{typed}{self._tabs}")
        for word in words:
            self._child.expect(re.escape(word))
        self._child.send("\x15")

    def close(self) -> None:
        self._child.close(force=True)


@pytest.fixture
def bash(saved: Home) -> Iterator[Shell]:
    argv = [needs("bash"), "--norc", "--noprofile", "-i"]
    before = f"bind 'set enable-bracketed-paste off'; . {script_of(saved, 'bash')}"
    shell = Shell(saved, argv, before, tabs="\t\t")
    yield shell
    shell.close()


@pytest.fixture
def zsh(saved: Home) -> Iterator[Shell]:
    argv = [needs("zsh"), "-f", "-i", "-V"]
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
    fish, script = needs("fish"), script_of(saved, "fish")

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


def test_flags_are_completed_without_the_engine(home: Home) -> None:
    code = (
        "import atexit, sys; from app.cli import main as cli;"
        "atexit.register(lambda: print(*{'pool', 'rich', 'textual', 'httpx', 'msgspec'} & set(sys.modules)));"
        "cli.run(['x'])"
    )
    for line in "wheelpool build --b", "wheelpool limit m", "wheelpool ins":
        home.environ |= {
            "_WHEELPOOL_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
        }
        first, *_, last = home.python(code).stdout.splitlines()
        assert first.startswith("plain,")
        assert last == ""


def test_runs_come_newest_first_and_say_what_they_were(saved: Home) -> None:
    (newer, about), (older, _) = saved_run_candidates(saved.state, "")
    assert (newer, older) == (NEWER, OLDER)
    assert re.fullmatch(r"2026-11-\d\d \d\d:\d\d ended early six==1.17.0 ./my-lib ./other, too and 1 more", about)  # fmt: skip
    assert saved_run_candidates(saved.state, "20261120") == [
        (OLDER, saved_run_candidates(saved.state, "")[1][1])
    ]
    assert active_run_candidates(saved.state, "") == []


def test_builds_are_offered_to_the_command_that_fits(
    saved: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.runs.store.is_running", lambda *_: True)
    run = str(saved.state / "runs" / NEWER)
    assert cancellable_build_candidates(saved.state, run, "") == [
        ("b3", "my-lib queued"), ("b2", "my-lib queued"), ("six", "six 1.17.0 building"),
    ]  # fmt: skip
    assert cancellable_build_candidates(saved.state, run, "s") == [("six", "six 1.17.0 building")]
    assert retriable_build_candidates(saved.state, run, "") == [("old", "old failed")]


def test_where_there_is_nothing_nothing_is_offered(home: Home) -> None:
    assert saved_run_candidates(home.state, "") == []
    assert cancellable_build_candidates(home.state, None, "") == []
    assert retriable_build_candidates(home.state, "no-such-run", "") == []


def test_escapes_in_names_do_not_reach_the_terminal(home: Home) -> None:
    story = [STORY[0], events.BuildQueued(build=A, name="x", target="./\x1b[31mred\nx", log="a")]
    write_journal(home.state / "runs" / NEWER, story, run=NEWER)
    ((_, about),) = saved_run_candidates(home.state, "")
    assert about.isprintable()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed_whatever_is_installed(home: Home, shell: str) -> None:
    done = home.run("completion", shell)
    assert done.returncode == 0
    assert f"_WHEELPOOL_COMPLETE={shell}_complete" in done.stdout
    assert "COMPREPLY=()" not in done.stdout
    if shell == "fish":
        assert "--keep-order" in done.stdout
        assert "--max 1" in done.stdout


def test_every_flag_that_takes_a_path_offers_paths() -> None:
    paths = {"FILE", "DIR", "ENV", "TREE", "PATH", "DIR|URL"}
    for command in COMMANDS.values():
        for parameter in parameters_of(command):
            if parameter.metavar in paths:
                assert parameter._custom_shell_complete is not None, parameter.name
