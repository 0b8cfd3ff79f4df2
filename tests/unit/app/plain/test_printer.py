"""The lines of a run, event by event."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pool
from app.plain.printer import Printer
from app.runs import build_log as wholelog
from app.runs.build_log import read_log_lines
from pool import Holder, LimitName, Outcome, Phase, WaitFor, events
from tests.support.home import HEADER, number_events
from tests.support.paths import DAY

if TYPE_CHECKING:
    from app.config.display import Verbosity

A, B = pool.BuildId("b1"), pool.BuildId("b2")
STARTED = events.RunStarted(
    limits={LimitName.BUILDS: 2}, targets=2, out_dir="/w/wheelhouse", logs="/s/logs"
)
QUEUED_A = events.BuildQueued(build=A, name="liba", version="1.0", target="./a", log="a.log")
QUEUED_B = events.BuildQueued(build=B, name="libb", target="./b", log="b.log")
BEGUN: list[events.KnownEvent] = [STARTED, QUEUED_A, QUEUED_B]


def printed_lines(
    *story: events.KnownEvent, verbosity: Verbosity = "normal", logs: Path | None = None
) -> list[str]:
    """Return what is said about a story, without what every story begins with."""
    printer = Printer(verbosity, HEADER, logs or Path("/nowhere"))
    lines: list[str] = []
    for event in number_events([*BEGUN, *story]):
        new = [line.text for line in printer.print_event(event)]
        if event.seq > len(BEGUN):
            lines += new
    return lines


def started(build: pool.BuildId) -> list[events.KnownEvent]:
    """Return the events of a build that gets a slot and runs its last hook."""
    return [
        events.BuildStarted(build=build, slot=1),
        events.BuildPhase(build=build, phase=Phase.BUILD),
    ]


def built(build: pool.BuildId, seconds: float = 4.1) -> events.BuildFinished:
    return events.BuildFinished(
        build=build,
        outcome=Outcome.BUILT,
        seconds=seconds,
        peak=412 << 20,
        wheel="/w/wheelhouse/x.whl",
    )


def failed(build: pool.BuildId) -> events.BuildFinished:
    return events.BuildFinished(
        build=build,
        outcome=Outcome.FAILED,
        message="it broke",
        hint="mend it",
        rerun="cd x && make",
    )


def test_start_of_a_run_has_targets_limits_and_logs() -> None:
    printer = Printer("normal", HEADER, Path("/nowhere"))
    (line,) = printer.print_event(STARTED)
    assert line.text == "  wheelpool 0.1.0  2 targets · builds 2 · memory 8.0 GiB"


def test_a_good_build_is_two_lines() -> None:
    assert printed_lines(*started(A), built(A)) == [
        "   Building liba 1.0",
        "      Built liba 1.0 in 4.1 s · peak 412 MiB · wheelhouse/x.whl",
    ]


def test_wait_for_a_lock_names_its_holder_and_its_end_is_printed() -> None:
    holder = Holder(pid=4121, command="uv build --wheel")
    assert printed_lines(
        events.BuildStarted(build=A, slot=1),
        events.BuildWaiting(build=A, for_=WaitFor.LOCK, on="/a"),
        events.LockWaiting(build=A, lock="/a", holder=holder),
        events.LockWaiting(build=A, lock="/a", holder=holder),
        events.BuildWaiting(build=A, for_=WaitFor.SLOT),
        *started(A),
    ) == [
        "     Locked liba 1.0 · held by uv build --wheel (pid 4121) · /a",
        "   Building liba 1.0",
    ]


def test_waiting_for_a_download_is_no_news() -> None:
    story: list[events.KnownEvent] = [
        events.BuildStarted(build=A, slot=1),
        events.BuildWaiting(build=A, for_=WaitFor.DOWNLOAD, on="x.whl"),
        events.BuildWaiting(build=A, for_=WaitFor.SLOT),
        *started(A),
    ]
    assert printed_lines(*story) == ["   Building liba 1.0"]
    assert "   Fetching liba 1.0 · x.whl" in printed_lines(*story, verbosity="verbose")


def test_build_that_gives_its_slot_back_is_not_building_any_more() -> None:
    again = events.BuildWaiting(build=A, for_=WaitFor.SLOT)
    assert printed_lines(*started(A), again, *started(A)) == [
        "   Building liba 1.0",
        "    Waiting liba 1.0 · to build again",
        "   Building liba 1.0",
    ]


def test_memory_need_is_printed_once() -> None:
    needs = events.BuildWaiting(build=A, for_=WaitFor.DEPENDENCY, on="libb", builds=(B,))
    assert printed_lines(needs, needs) == ["      Needs liba 1.0 · libb (queued)"]


def test_nested_build_names_its_dependents() -> None:
    nested = events.BuildQueued(
        build=pool.BuildId("b3"), name="helper", target="helper>1", log="h.log", needed_by=(A, B)
    )
    assert printed_lines(nested) == ["     Queued helper · needed by liba 1.0, libb"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (2, 3, "      Limit builds 2 -> 3 · user"),
        (2, 0, "     Paused builds · 1 finishing, no new ones start"),
        (0, 2, "    Resumed builds 2"),
    ],
)
def test_limits_have_their_use(old: int, new: int, line: str) -> None:
    changed = events.LimitChanged(limit=LimitName.BUILDS, old=old, new=new, why="user")
    assert printed_lines(events.BuildStarted(build=A, slot=1), changed) == [line]


def test_lowered_limit_counts_builds_to_finish_and_their_end() -> None:
    lowered = events.LimitChanged(limit=LimitName.BUILDS, old=2, new=1, why="user")
    both = [events.BuildStarted(build=one, slot=n) for n, one in enumerate((A, B), 1)]
    left = events.BuildWaiting(build=B, for_=WaitFor.SLOT)
    assert printed_lines(*both, lowered, left) == [
        "      Limit builds 2 -> 1 · user, 1 to finish first",
        "    Drained builds 1/1",
    ]
    paused = events.LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause")
    gone = events.BuildWaiting(build=A, for_=WaitFor.SLOT)
    assert printed_lines(both[0], paused, gone)[1:] == ["    Drained builds paused"]


def test_wait_for_memory_has_the_words_of_the_screen() -> None:
    waits = events.BuildWaiting(
        build=A, for_=WaitFor.MEMORY, on="needs 4 GiB, 1 GiB free", needs=4 << 30, free=1 << 30
    )
    assert printed_lines(waits, waits) == ["     Memory liba 1.0 · needs 4.0 GiB, 1.0 GiB free"]


def test_a_failure_brings_its_whole_log(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\n\x1b[31mtwo\x1b[0m\r\n\xff\n")
    assert printed_lines(failed(A), logs=tmp_path) == [
        "     Failed liba 1.0",
        "            it broke",
        "            fix: mend it",
        "┄┄┄┄ liba 1.0: the log ┄┄┄┄",
        "one",
        "two",
        "\ufffd",
        "┄┄┄┄ liba 1.0: end of the log ┄┄┄┄",
        "            rerun: cd x && make",
    ]


def test_relevant_lines_of_a_long_log_are_repeated(tmp_path: Path) -> None:
    lines = ["fine"] * 50 + ["a.c:1:1: error: bad", "    1 | code"] + ["noise"] * 50
    (tmp_path / "a.log").write_text("\n".join(lines))
    told = printed_lines(failed(A), logs=tmp_path)
    end = told.index("┄┄┄┄ liba 1.0: end of the log ┄┄┄┄")
    assert told[end + 1 : end + 4] == [
        "relevant lines:", "  a.c:1:1: error: bad", "      1 | code",
    ]  # fmt: skip


def test_missing_log_is_reported() -> None:
    output = events.BuildOutput(build=A, lines=3, bytes=9, last="x")
    assert "(no log: /nowhere/a.log: no such file or directory)" in printed_lines(output, failed(A))


def test_a_failure_without_output_has_no_log_to_show() -> None:
    assert not [line for line in printed_lines(failed(A)) if "log" in line]


def test_quiet_prints_failures_and_the_summary() -> None:
    end = events.RunFinished(exit_code=1, totals={}, t=252.0)
    lines = printed_lines(
        events.BuildStarted(build=A, slot=1), built(A), failed(B), end, verbosity="quiet"
    )
    verbs = [line.split()[0] for line in lines if line.strip()]
    assert [verb for verb in verbs if verb in ("Failed", "Built")] == ["Failed", "Failed"]
    assert lines[-1].startswith("   Finished 1 built, 1 failed in 5.0 s")


def test_verbose_prints_phases_requirements_and_locks() -> None:
    lines = printed_lines(
        events.BuildPhase(build=A, phase=Phase.GET_REQUIRES),
        events.BuildRequirementsResolved(build=A, requirements=("setuptools 80", "wheel 1")),
        events.LockAcquired(build=A, lock="/a"),
        events.DownloadFinished(build=A, file="x.whl", bytes=2048),
        verbosity="verbose",
    )
    assert lines == [
        "      Phase liba 1.0 · get_requires",
        "   Requires liba 1.0 · setuptools 80, wheel 1",
        "   Acquired liba 1.0 · lock on /a",
        " Downloaded liba 1.0 · x.whl · 2 KiB",
    ]


def test_the_table_has_bad_news_last_and_the_sum_below() -> None:
    end = events.RunFinished(exit_code=1, totals={}, t=10.0, warning="the log is incomplete: full")
    output = events.BuildOutput(build=A, lines=3, bytes=9, last="x")
    table = printed_lines(output, failed(A), built(B), end)[-7:]
    assert table == [
        "",
        "     Failed liba 1.0",
        "            it broke",
        "            fix: mend it",
        "            log: /s/logs/a.log",
        "   Finished 1 built, 1 failed in 5.0 s · peak 412 MiB · slowest libb 4.1 s · logs /s/logs",
        "            warning: the log is incomplete: full",
    ]


def test_a_short_failure_names_its_log() -> None:
    output = events.BuildOutput(build=A, lines=3, bytes=9, last="x")
    printer = Printer("normal", HEADER, Path("/s/logs"))
    for event in number_events(
        [*BEGUN, output, failed(A), built(B), events.RunFinished(exit_code=1, totals={})]
    ):
        printer.apply(event)
    assert [line.text for line in printer.short_summary()] == [
        "      Built libb · peak 412 MiB · wheelhouse/x.whl",
        "     Failed liba 1.0",
        "            it broke",
        "            fix: mend it",
        "            log: /s/logs/a.log",
        "   Finished 1 built, 1 failed in 5.0 s · peak 412 MiB · slowest libb 4.1 s · logs /s/logs",
    ]


def test_the_peak_of_all_is_the_highest_sum_at_one_moment() -> None:
    machine = events.MachineMemory(total=8 << 30, available=4 << 30)

    def sample(*rss: int) -> events.Sample:
        builds = [
            events.BuildSample(build=build, processes=(), rss=size << 20, peak=size << 20)
            for build, size in zip((A, B), rss, strict=True)
        ]
        return events.Sample(builds=tuple(builds), machine=machine)

    end = events.RunFinished(exit_code=0, totals={}, t=20.0)
    last = printed_lines(
        sample(100, 300), sample(200, 250), sample(300, 10), built(A), built(B), end
    )[-1]
    assert "peak 450 MiB" in last


def test_retry_replaces_the_attempt_before() -> None:
    again = events.BuildQueued(
        build=pool.BuildId("b3"), name="liba", target="./a", log="a.2.log", retry_of=A
    )
    end = events.RunFinished(exit_code=0, totals={}, t=20.0)
    last = printed_lines(failed(A), built(B), again, built(pool.BuildId("b3")), end)[-1]
    assert last.startswith("   Finished 2 built in 6.0 s")


def test_interrupt_counts_cancelled_builds() -> None:
    assert printed_lines(built(A), events.RunStopping(why="interrupted")) == [
        "      Built liba 1.0 · peak 412 MiB · wheelhouse/x.whl",
        "   Stopping interrupted: cancelling 1 build",
    ]


def test_a_second_interrupt_is_printed_and_a_second_failure_is_not() -> None:
    stopping = events.RunStopping(why="interrupted")
    assert printed_lines(stopping, stopping) == [
        "   Stopping interrupted: cancelling 2 builds",
        "   Stopping interrupted: killing 2 builds",
    ]
    assert len(printed_lines(*[events.RunStopping(why="fail-fast")] * 3)) == 1


def test_escapes_in_a_foreign_log_do_not_come_through() -> None:
    evil = events.BuildFinished(
        build=A, outcome=Outcome.SKIPPED, message="\x1b]0;title\x07\x1b[2Jgone\nnext"
    )
    assert printed_lines(evil) == ["    Skipped liba 1.0 · gonenext"]


def test_a_huge_log_is_shown_by_its_ends(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    count = 100_000
    log.write_text("".join(f"{n}\n" for n in range(count)))
    lines = list(read_log_lines(log))
    assert len(lines) == wholelog.HEAD + 1 + wholelog.TAIL
    assert (lines[0], lines[-1]) == ("0", f"{count - 1}")
    assert lines[wholelog.HEAD] == f"┄┄┄┄ 98,000 lines omitted; the whole log is {log} ┄┄┄┄"


@pytest.mark.parametrize("count", [0, 1, 1999, 2000])
def test_a_log_that_is_not_huge_is_shown_whole(tmp_path: Path, count: int) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"{n}\n" for n in range(count)))
    assert list(read_log_lines(log)) == [str(n) for n in range(count)]


def test_a_line_without_an_end_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"x" * 5_000_000)
    assert all(len(line) <= 400 for line in read_log_lines(log))


def test_every_event_of_a_recorded_run_is_printed_or_left_out_in_each_verbosity() -> None:
    recording = DAY
    for verbosity in ("quiet", "normal", "verbose"):
        with pool.JournalReader(recording) as reader:
            printer = Printer(verbosity, reader.header, pool.logs_path(recording))
            lines = [line.text for event in reader.read() for line in printer.print_event(event)]
        assert not [line for line in lines if "\x1b" in line or "\n" in line]
        assert "the log ┄┄┄┄" in "\n".join(lines)


ENV = "/home/u/project/.venv"
INTO = events.RunStarted(limits={}, targets=2, out_dir="/c", logs="/s/logs", environment=ENV)
RESOLVING = events.ResolveStarted(requirements=("a", "b"))
RESOLVED = events.ResolveFinished(
    picked=(
        events.SelectedVersion(
            name="rich",
            version="14.2.0",
            kind="wheel",
            by=("requirements.txt:3", "textual 6.1.0 needs rich>=14"),
            passed_over=("15.0: needs Python >=3.12", "and 2 more"),
        ),
        events.SelectedVersion(name="idna", version="3.10", kind="installed"),
    )
)
CHANGED = events.EnvironmentChanged(
    environment=ENV,
    changes=(
        events.EnvironmentChange(name="rich", old="13.9.4", new="14.2.0"),
        events.EnvironmentChange(name="core", new="1.0", editable=True),
        events.EnvironmentChange(name="old-thing", old="0.3"),
    ),
    locked=0.21,
)


def test_the_start_of_an_install_names_the_environment() -> None:
    printer = Printer("normal", HEADER, Path("/nowhere"))
    (line,) = printer.print_event(INTO)
    assert line.text == f"  wheelpool 0.1.0  2 targets · into {ENV} · memory 8.0 GiB"


def test_resolving_is_two_lines() -> None:
    assert printed_lines(RESOLVING, RESOLVED) == [
        "  Resolving 2 requirements",
        "   Resolved 2 distributions: 1 wheel, 1 kept",
    ]


def test_verbose_lists_requirers_and_passed_over_versions() -> None:
    assert printed_lines(RESOLVING, RESOLVED, verbosity="verbose")[2:] == [
        "   Selected rich 14.2.0  wheel   requirements.txt:3",
        "                                 textual 6.1.0 needs rich>=14",
        "                                 not 15.0: needs Python >=3.12",
        "                                 and 2 more",
        "   Selected idna 3.10    kept",
    ]


def test_a_conflict_is_explained_a_line_each_even_to_the_quiet() -> None:
    why = "no set fits; you ask for a<2; b 1 needs \x1b[31ma>=2"
    failed = events.ResolveFailed(reference="conflict", message=why, hint="leave b out")
    end = events.RunFinished(exit_code=1, totals={}, t=4.0)
    lines = printed_lines(INTO, RESOLVING, failed, end, verbosity="quiet")
    assert lines[:4] == [
        "     Failed no set fits",
        "            you ask for a<2",
        "            b 1 needs a>=2",
        "            leave b out",
    ]
    assert lines[-1].strip() == "not resolved: no set fits"


def test_each_change_of_an_environment_is_a_line_and_the_sum_has_them() -> None:
    end = events.RunFinished(exit_code=0, totals={}, t=9.0)
    lines = printed_lines(INTO, RESOLVING, RESOLVED, CHANGED, end)
    assert lines[3:6] == [
        "  Installed ~ rich==14.2.0 (was 13.9.4)",
        "  Installed + core==1.0 (editable)",
        "    Removed - old-thing==0.3",
    ]
    assert lines[-1].strip() == "installed 2 into .venv (1 upgraded, 1 editable, 1 removed), kept 1"
    assert f"     Locked {ENV} for 0.2 s" in printed_lines(INTO, CHANGED, verbosity="verbose")


def test_environment_without_changes_has_its_line() -> None:
    kept = events.ResolveFinished(picked=RESOLVED.picked[1:])
    end = events.RunFinished(exit_code=0, totals={}, t=9.0)
    last = printed_lines(
        INTO, RESOLVING, kept, events.EnvironmentChanged(environment=ENV, changes=()), end
    )
    assert last[-1].strip() == "kept 1 in .venv, nothing to install"


def test_an_environment_that_could_not_be_changed_is_the_last_word() -> None:
    failed = events.EnvironmentFailed(
        environment=ENV, reference="x", message="bin/rich is of two; it stays", hint="uninstall one"
    )
    end = events.RunFinished(exit_code=1, totals={}, t=9.0, warning="the log is incomplete: full")
    lines = printed_lines(INTO, failed, end)
    assert lines[1:4] == [
        "     Failed .venv: bin/rich is of two",
        "            it stays",
        "            uninstall one",
    ]
    assert [line.strip() for line in lines[-2:]] == [
        "warning: the log is incomplete: full",
        "not installed into .venv: bin/rich is of two",
    ]


def test_wait_for_the_environments_lock_is_printed_once() -> None:
    waiting = events.LockWaiting(lock=ENV, holder=Holder(pid=7, command="uv pip install"))
    got, left = events.LockAcquired(lock=ENV), events.LockReleased(lock=ENV)
    line = "     Locked .venv · held by uv pip install (pid 7)"
    assert printed_lines(INTO, waiting, waiting)[1:] == [line]
    assert printed_lines(INTO, waiting, got, left, waiting)[1:] == [line, line]


def test_remarks_are_notes_and_come_again_in_short() -> None:
    about, of_all = events.Note(build=A, text="no sdist"), events.Note(text="pip is old")
    assert printed_lines(about, of_all) == [
        "       Note liba 1.0 · no sdist",
        "       Note pip is old",
    ]
    printer = Printer("normal", HEADER, Path("/s/logs"))
    for event in number_events([*BEGUN, of_all, events.RunFinished(exit_code=0, totals={})]):
        printer.apply(event)
    assert next(printer.short_summary()).text == "       Note pip is old"


def test_fetched_wheel_has_its_size_and_no_row_in_the_summary() -> None:
    fetched = events.BuildFinished(
        build=A, outcome=Outcome.FETCHED, wheel="/w/wheelhouse/a.whl", bytes=3 << 20
    )
    cached = events.BuildFinished(
        build=B, outcome=Outcome.CACHED, wheel="/w/wheelhouse/b.whl", message="built before"
    )
    end = events.RunFinished(exit_code=0, totals={}, t=9.0)
    assert printed_lines(fetched, cached, end) == [
        "    Fetched liba 1.0 · wheelhouse/a.whl · 3 MiB",
        "     Cached libb · wheelhouse/b.whl · built before",
        "   Finished 1 cached, 1 fetched in 4.0 s · logs /s/logs",
    ]


def test_metadata_is_labelled_and_not_requested() -> None:
    third = pool.BuildId("b3")
    queued = events.BuildQueued(
        build=third, name="x", version="1", target="x", log="x.log", purpose="metadata"
    )
    begun = events.BuildStarted(build=third, slot=1)
    wrong = events.BuildFinished(build=third, outcome=Outcome.FAILED, message="no hook")
    end = events.RunFinished(exit_code=0, totals={}, t=9.0)
    hook = events.BuildPhase(build=third, phase=Phase.METADATA)
    lines = printed_lines(queued, begun, hook, wrong, built(A), built(B), end)
    assert lines[:3] == [
        "   Building metadata of x 1",
        "     Failed metadata of x 1 in 0.0 s",
        "            no hook",
    ]
    assert lines[-1].startswith("   Finished 2 built in")
