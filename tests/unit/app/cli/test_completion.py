"""Candidates of shell completion, and the scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from click.shell_completion import ShellComplete

from app.cli.completion import (
    active_run_candidates,
    cancellable_build_candidates,
    retriable_build_candidates,
    saved_run_candidates,
)
from app.cli.root import root
from pool import BuildId, LimitName, events
from tests.support.commands import COMMANDS, parameters_of
from tests.support.home import write_journal
from tests.support.saved_runs import EVENTS, NEWER, OLDER, save_two_runs

if TYPE_CHECKING:
    from tests.support.home import Home


def test_flags_are_completed_without_importing_the_engine(home: Home) -> None:
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


def test_limits_are_completed_with_the_values_of_memory() -> None:
    completion = ShellComplete(root, {}, "wheelpool", "_WHEELPOOL_COMPLETE")

    def words(*before: str) -> list[str]:
        return [item.value for item in completion.get_completions([*before], "")]

    assert words("limit") == [limit.value for limit in LimitName]
    assert words("limit", "memory") == ["auto", "off"]
    assert words("limit", "builds") == []


def test_saved_runs_are_newest_first_with_a_description(home: Home) -> None:
    save_two_runs(home)
    (newer, description), (older, _) = saved_run_candidates(home.state, "")
    assert (newer, older) == (NEWER, OLDER)
    assert re.fullmatch(r"2026-11-\d\d \d\d:\d\d ended early six==1.17.0 ./my-lib ./other, too and 1 more", description)  # fmt: skip
    assert saved_run_candidates(home.state, "20261120") == [
        (OLDER, saved_run_candidates(home.state, "")[1][1])
    ]
    assert active_run_candidates(home.state, "") == []


def test_builds_are_candidates_of_the_command_that_takes_them(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_two_runs(home)
    monkeypatch.setattr("app.runs.store.is_running", lambda *_: True)
    run = str(home.state / "runs" / NEWER)
    assert cancellable_build_candidates(home.state, run, "") == [
        ("b3", "my-lib queued"), ("b2", "my-lib queued"), ("six", "six 1.17.0 building"),
    ]  # fmt: skip
    assert cancellable_build_candidates(home.state, run, "s") == [("six", "six 1.17.0 building")]
    assert retriable_build_candidates(home.state, run, "") == [("old", "old failed")]


def test_without_runs_there_are_no_candidates(home: Home) -> None:
    assert saved_run_candidates(home.state, "") == []
    assert cancellable_build_candidates(home.state, None, "") == []
    assert retriable_build_candidates(home.state, "no-such-run", "") == []


def test_escapes_in_names_do_not_reach_the_terminal(home: Home) -> None:
    run = [
        EVENTS[0],
        events.BuildQueued(build=BuildId("b1"), name="x", target="./\x1b[31mred\nx", log="a"),
    ]
    write_journal(home.state / "runs" / NEWER, run, run=NEWER)
    ((_, description),) = saved_run_candidates(home.state, "")
    assert description.isprintable()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed_without_the_shell(home: Home, shell: str) -> None:
    done = home.run("completion", shell)
    assert done.returncode == 0
    assert f"_WHEELPOOL_COMPLETE={shell}_complete" in done.stdout
    assert "COMPREPLY=()" not in done.stdout
    if shell == "fish":
        assert "--keep-order" in done.stdout
        assert "--max 1" in done.stdout


def test_every_flag_with_a_path_completes_paths() -> None:
    paths = {"FILE", "DIR", "ENV", "TREE", "PATH", "DIR|URL"}
    for command in COMMANDS.values():
        for parameter in parameters_of(command):
            if parameter.metavar in paths:
                assert parameter._custom_shell_complete is not None, parameter.name
