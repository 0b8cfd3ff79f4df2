"""Controls from a shell: printed effects have happened in the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pool
from app.cli import main as cli
from app.plain.remote import RemoteRun
from pool import events
from pool.events.control_socket import ControlReply
from pool.events.journal import JournalWriter
from tests.support.home import HEADER, number_events

BUILDS, JOBS, MEMORY = pool.LimitName.BUILDS, pool.LimitName.JOBS, pool.LimitName.MEMORY
A, B, C = (pool.BuildId(f"b{n}") for n in (1, 2, 3))
STORY: list[events.KnownEvent] = [
    events.RunStarted(limits={BUILDS: 2, JOBS: 2}, targets=3, out_dir="w", logs="logs"),
    events.BuildQueued(build=A, name="six", version="1.17.0", target="six==1.17.0", log="a"),
    events.BuildQueued(build=B, name="my_lib", target="./my-lib", log="b"),
    events.BuildQueued(build=C, name="my_lib", target="./other", log="c"),
    events.BuildStarted(build=A, slot=1),
    events.BuildStarted(build=B, slot=2),
]


class Run:
    """A run at the other end: does what it is told to do with the next command."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: list[events.KnownEvent] = []
        self._writer = JournalWriter(path, HEADER)
        self.asked: list[pool.Control] = []
        self.does: list[events.KnownEvent] = []
        self.refuses = ""

    def write(self, *more: events.KnownEvent) -> None:
        before = len(self._written)
        self._written += more
        for event in number_events(self._written)[before:]:
            self._writer.write(event)

    def ask(self, journal: Path, control: pool.Control) -> ControlReply:
        assert journal == self.path
        self.asked.append(control)
        self.write(*self.does)
        return ControlReply(seq=len(self._written), refused=self.refuses)

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    run = Run(tmp_path / "run.jsonl")
    run.write(*STORY)
    monkeypatch.setattr(pool, "send_control", run.ask)
    yield run
    run.close()


def printed_lines(run: Run, ask: Callable[[RemoteRun], Iterator[str]]) -> list[str]:
    with RemoteRun(run.path) as remote:
        return list(ask(remote))


def changed(limit: pool.LimitName, old: int, new: int, why: str = "user") -> events.LimitChanged:
    return events.LimitChanged(limit=limit, old=old, new=new, why=why)


def test_limits_are_printed_with_their_use(run: Run) -> None:
    assert printed_lines(run, lambda remote: remote.format_limits()) == ["builds 2/2", "jobs 0/2"]
    assert printed_lines(run, lambda remote: remote.format_limits(BUILDS)) == ["builds 2/2"]
    assert printed_lines(run, lambda remote: remote.format_limits(MEMORY)) == ["memory no budget"]
    run.write(changed(MEMORY, 0, 8 << 30))
    assert printed_lines(run, lambda remote: remote.format_limits())[-1].startswith(
        "memory 0 B of 8.0 GiB"
    )
    assert run.asked == []


def test_limit_is_set_and_every_change_printed(run: Run) -> None:
    run.does = [changed(BUILDS, 2, 3), changed(JOBS, 2, 3)]
    assert printed_lines(run, lambda remote: remote.resize(BUILDS, 3)) == [
        "builds 2 -> 3",
        "jobs 2 -> 3",
    ]
    assert run.asked == [pool.Resize(limit=BUILDS, value=3)]
    run.does = []
    assert printed_lines(run, lambda remote: remote.resize(BUILDS, 3)) == ["builds 3 already"]


def test_lowered_limit_counts_running_builds(run: Run) -> None:
    run.does = [changed(BUILDS, 2, 1)]
    assert printed_lines(run, lambda remote: remote.resize(BUILDS, 1)) == [
        "builds 2 -> 1, 2 still running"
    ]


def test_a_cap_while_paused_is_that_of_later(run: Run) -> None:
    run.write(changed(BUILDS, 2, 0, "pause"))
    run.does = [changed(BUILDS, 4, 0, "pause")]
    words = printed_lines(run, lambda remote: remote.resize(BUILDS, 4))
    assert words == ["builds 2 -> 4, once resumed"]


def test_a_memory_budget_comes_and_goes(run: Run) -> None:
    run.does = [changed(MEMORY, 0, 8 << 30)]
    words = printed_lines(run, lambda remote: remote.resize(MEMORY, 8 << 30))
    assert words == ["memory no budget -> 8.0 GiB"]
    run.does = [changed(MEMORY, 8 << 30, 0)]
    words = printed_lines(run, lambda remote: remote.resize(MEMORY, 0))
    assert words == ["memory 8.0 GiB -> no budget"]


def test_pausing_and_resuming_print_the_change(run: Run) -> None:
    run.does = [changed(BUILDS, 2, 0, "pause")]
    (line,) = printed_lines(run, RemoteRun.pause)
    assert line == "paused: 2 builds finishing, no new ones start"
    run.does = []
    assert printed_lines(run, RemoteRun.pause)[0].startswith("paused already: ")
    run.does = [changed(BUILDS, 0, 2, "resume")]
    assert printed_lines(run, RemoteRun.resume) == ["resumed: builds 2"]
    run.does = []
    assert printed_lines(run, RemoteRun.resume) == ["not paused: builds 2"]


@pytest.mark.parametrize("name", ["b1", "six", "Six", "six 1.17.0", "six==1.17.0"])
def test_a_build_is_named_as_people_name_it(run: Run, name: str) -> None:
    run.does = [events.BuildFinished(build=A, outcome=pool.Outcome.CANCELLED)]
    words = printed_lines(run, lambda remote: remote.cancel(name, [None]))
    assert words == ["six 1.17.0: cancelled"]
    assert run.asked == [pool.Cancel(build=A)]


def test_cancel_waits_for_the_end_of_the_build(run: Run) -> None:
    end = events.BuildFinished(build=A, outcome=pool.Outcome.CANCELLED)

    def naps() -> Iterator[None]:
        yield
        run.write(end)
        yield
        raise AssertionError("it has ended by now")

    assert printed_lines(run, lambda remote: remote.cancel("six", naps())) == [
        "six 1.17.0: cancelled"
    ]
    with RemoteRun(run.path) as remote:
        slow = list(remote.cancel("./my-lib", [None, None]))
    assert slow == ["my_lib: cancelling"]


def test_of_namesakes_the_one_that_fits_is_meant(run: Run) -> None:
    with pytest.raises(pool.RunError, match="2 builds have this name") as told:
        printed_lines(run, lambda remote: remote.cancel("my-lib", []))
    assert told.value.hint == "b2 is my_lib (./my-lib), b3 is my_lib (./other)"
    run.write(events.BuildFinished(build=B, outcome=pool.Outcome.FAILED))
    printed_lines(run, lambda remote: remote.cancel("my-lib", []))
    assert run.asked == [pool.Cancel(build=C)]


def test_retried_builds_are_printed(run: Run) -> None:
    new, newer = pool.BuildId("b4"), pool.BuildId("b5")
    again = events.BuildQueued(build=new, name="six", target="six", log="d", retry_of=A)
    run.write(events.BuildFinished(build=A, outcome=pool.Outcome.FAILED))
    run.does = [again]
    assert printed_lines(run, lambda remote: remote.retry("six")) == ["six: retrying as b4"]
    run.write(events.BuildFinished(build=new, outcome=pool.Outcome.FAILED))
    run.does = [events.BuildQueued(build=newer, name="six", target="six", log="e", retry_of=new)]
    printed_lines(run, lambda remote: remote.retry("six"))
    assert run.asked[-1] == pool.Retry(build=new), "not what was tried again already"


def test_the_end_is_announced(run: Run) -> None:
    assert printed_lines(run, lambda remote: remote.stop(now=False)) == [
        "stopping: cancelling 3 builds"
    ]
    assert run.asked == [pool.Stop()]


def test_a_refusal_and_an_unknown_build_are_errors(run: Run) -> None:
    run.refuses = "six has ended: built\x1b[2J"
    with pytest.raises(pool.RunError, match=r"^six has ended: built"):
        printed_lines(run, lambda remote: remote.cancel("six", []))
    with pytest.raises(pool.RunError, match="no build named seven"):
        printed_lines(run, lambda remote: remote.cancel("seven", []))
    assert len(run.asked) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["limit", "x"], "builds: 'x' is not a number"),
        (["limit", "jobs", "-1"], "No such option"),
        (["limit", "memory", "much"], "'much' is not an amount of memory"),
        (["limit", "patience", "3"], "no limit 'patience'; the limits are builds, downloads"),
        (["limit", "jobs", "3", "4"], "expected at most a limit and a number"),
        (["limit", "3", "--run", "nowhere"], "nowhere: no such file, and no such run"),
        (["attach", "nowhere"], "nowhere: no such file, and no such run"),
        (["pause"], "no run in progress"),
    ],
)
def test_bad_arguments_are_one_line(
    words: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "Traceback" not in err
