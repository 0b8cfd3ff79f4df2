"""The listing of saved runs reads journals of any kind."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
import pytest

import pool
from app.runs import store as runs
from pool import events
from tests.support.home import write_journal

if TYPE_CHECKING:
    from pathlib import Path

Outcome = pool.Outcome


def story(targets: int) -> list[events.KnownEvent]:
    limits = {pool.LimitName.BUILDS: 2}
    started = events.RunStarted(limits=limits, targets=targets, out_dir="w", logs="logs")
    queued = [
        events.BuildQueued(build=pool.BuildId(f"b{n}"), name=f"t{n}", target=f"./t{n}", log="x")
        for n in range(targets)
    ]
    return [started, *queued]


def finished(t: float, **totals: int) -> events.RunFinished:
    return events.RunFinished(
        exit_code=0, totals={Outcome(name): count for name, count in totals.items()}, t=t
    )


def test_newest_runs_come_first_up_to_the_count(tmp_path: Path) -> None:
    for hour in (3, 5, 4):
        name = f"20261121-0{hour}0000-1"
        write_journal(tmp_path / "runs" / name, [*story(1), finished(9.0, built=1)], name)
    found = [run.id for run in runs.list_runs(tmp_path, 2)]
    assert found == ["20261121-050000-1", "20261121-040000-1"]


def test_a_stored_run_shows_its_outcome(tmp_path: Path) -> None:
    name = "20261121-031205-1"
    write_journal(tmp_path / "runs" / name, [*story(5), finished(252.0, built=4, failed=1)], name)
    (run,) = runs.list_runs(tmp_path, 9)
    assert run.started == datetime(2026, 11, 21, 3, 12, 5, tzinfo=UTC)
    assert run.target_count == 5
    (line,) = runs.format_table([run])
    assert line.startswith(name)
    assert "4 built, 1 failed" in line
    assert line.endswith("./t0 ./t1 ./t2 and 2 more")
    assert "exit 0" in line


def test_a_long_run_is_read_at_its_ends(tmp_path: Path) -> None:
    outputs = [
        events.BuildOutput(build=pool.BuildId("b0"), lines=n, bytes=n, last="x" * 300)
        for n in range(2000)
    ]
    name = "20261121-031205-1"
    write_journal(tmp_path / "runs" / name, [*story(1), *outputs, finished(9e3, built=1)], name)
    (run,) = runs.list_runs(tmp_path, 9)
    assert run.totals == {Outcome.BUILT: 1}


def test_running_run_differs_from_a_killed_one(tmp_path: Path) -> None:
    mine, gone = f"20261121-031205-{os.getpid()}", "20261121-031205-999999999"
    began = datetime.fromtimestamp(psutil.Process().create_time() + 5, UTC).isoformat()
    for name in (mine, gone):
        path = write_journal(tmp_path / "runs" / name, story(1), name)
        path.write_text(path.read_text().replace("2026-11-21T03:12:05.000+00:00", began))
    assert {run.id: run.status for run in runs.list_runs(tmp_path, 9)} == {
        mine: "running",
        gone: "ended early",
    }


def test_reused_pid_is_not_a_running_run(tmp_path: Path) -> None:
    name = f"20261121-031205-{os.getpid()}"
    path = write_journal(tmp_path / "runs" / name, story(1), name)
    path.write_text(path.read_text().replace("2026-11-21T03:12:05", "2001-01-01T00:00:00"))
    (run,) = runs.list_runs(tmp_path, 9)
    assert run.status == "ended early"


@pytest.mark.parametrize("content", [None, b"", b"garbage\n", b'{"wheelpool"'])
def test_a_broken_log_is_listed_as_that(tmp_path: Path, content: bytes | None) -> None:
    folder = tmp_path / "runs" / "20261121-031205-1"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "events.jsonl").write_bytes(content)
    (run,) = runs.list_runs(tmp_path, 9)
    assert run.status == "broken log"
    (line,) = runs.format_table([run])
    assert line.split() == ["20261121-031205-1", "broken", "log"]


def test_a_log_of_a_header_alone_has_ended_early(tmp_path: Path) -> None:
    write_journal(tmp_path / "runs" / "20261121-031205-999999999", [])
    (run,) = runs.list_runs(tmp_path, 9)
    assert run.status == "ended early"


def test_listing_without_runs_has_one_line(tmp_path: Path) -> None:
    assert list(runs.format_table(runs.list_runs(tmp_path / "nowhere", 9))) == ["no saved runs yet"]


def test_a_run_is_found_by_path_id_and_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "20261121-031205-1"
    write_journal(folder, story(1))
    write_journal(tmp_path / "runs" / "20261121-031205-12", story(1))
    write_journal(tmp_path / "runs" / "20261122-031205-1", story(1))
    assert runs.find_run(tmp_path, str(folder)) == folder
    assert runs.find_run(tmp_path, "20261121-031205-1") == folder
    assert runs.find_run(tmp_path, "20261122") == tmp_path / "runs" / "20261122-031205-1"
    with pytest.raises(pool.JournalError, match="20261121: 2 runs start like this"):
        runs.find_run(tmp_path, "20261121")
    with pytest.raises(pool.JournalError, match="nope: no such file, and no such run"):
        runs.find_run(tmp_path, "nope")
    with pytest.raises(pool.JournalError, match=r"runs: not a run.s folder"):
        runs.find_run(tmp_path, "runs")
