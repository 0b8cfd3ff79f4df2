"""The text of a row: one word and one sentence for every status."""

from __future__ import annotations

from typing import Literal

import pytest

import pool
from app.text.rows import GLYPHS, build_title, describe, format_counts, format_done
from pool.common.model import BuildId, Holder, LimitName, Outcome, Phase, WaitFor
from pool.events import types as v

A, B, C = BuildId("b1"), BuildId("b2"), BuildId("b3")


def state(*events: v.KnownEvent) -> pool.RunState:
    state = pool.RunState()
    started = v.RunStarted(limits={LimitName.BUILDS: 2}, targets=3, out_dir="o", logs="l")
    names = {A: "core", B: "plugin", C: "helper"}
    queued = [v.BuildQueued(build=b, name=n, target=n, log=n) for b, n in names.items()]
    pool.apply_all(state, [started, *queued, *events])
    return state


def row_text(*events: v.KnownEvent, now: float = 0.0, in_line: str = "") -> str:
    run = state(*events)
    line = describe(run.builds[A], run, now, in_line)
    return f"{line.kind}: {line.word} {line.detail}".rstrip()


def test_every_status_has_its_words() -> None:
    holder = Holder(pid=4121, command="uv build")
    lock = v.BuildWaiting(build=A, for_=WaitFor.LOCK, on="/t", holder=holder, t=10.0)
    nested = v.BuildWaiting(build=A, for_=WaitFor.DEPENDENCY, on="helper", builds=(C,))
    started = v.BuildStarted(build=A, slot=1)
    assert row_text() == "queued: queued"
    assert row_text(in_line="12th in queue") == "queued: queued 12th in queue"
    assert (
        row_text(v.LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause"))
        == "queued: queued paused"
    )
    assert row_text(lock, now=41.0) == "waiting: locked held by uv build (pid 4121) for 0:31"
    assert row_text(nested) == "waiting: needs helper (queued)"
    assert row_text(started) == "building: building starting"
    assert row_text(started, v.BuildPhase(build=A, phase=Phase.BUILD)) == "building: building build"
    for outcome in (Outcome.BUILT, Outcome.CACHED, Outcome.CANCELLED, Outcome.SKIPPED):
        assert row_text(v.BuildFinished(build=A, outcome=outcome)) == f"{outcome}: {outcome}"
    failed = v.BuildFinished(build=A, outcome=Outcome.FAILED, message="no compiler")
    assert row_text(failed) == "failed: failed no compiler"
    again = v.BuildQueued(build=BuildId("b4"), name="core", target="core", log="x", retry_of=A)
    assert row_text(failed, again) == "retried: retried failed: no compiler"


def test_download_has_its_percentage() -> None:
    waiting = v.BuildWaiting(build=A, for_=WaitFor.DOWNLOAD, on="core-1.tar.gz")
    begun = v.DownloadStarted(build=A, file="core-1.tar.gz", total=200)
    part = v.DownloadProgress(build=A, file="core-1.tar.gz", bytes=50, total=200)
    assert row_text(waiting, begun, part) == "waiting: fetching 25 % of 200 B  core-1.tar.gz"


def test_counts_leave_out_zeros() -> None:
    assert format_counts({"building": 2, "queued": 1, "failed": 0}) == "2 building · 1 queued"


@pytest.mark.parametrize(
    ("purpose", "name", "words"),
    [
        ("metadata", "metadata of core", "building: building metadata · get_requires"),
        ("editable", "core (editable)", "building: building editable · get_requires"),
        ("wheel", "core", "building: building get_requires"),
    ],
)
def test_row_has_the_purpose_of_a_build(
    purpose: Literal["wheel", "editable", "metadata"], name: str, words: str
) -> None:
    again = v.BuildQueued(build=A, name="core", target="core", log="x", purpose=purpose)
    phase = v.BuildPhase(build=A, phase=Phase.GET_REQUIRES)
    events = (again, v.BuildStarted(build=A, slot=1), phase)
    assert row_text(*events) == words
    assert build_title(state(*events).builds[A]) == name


def test_every_kind_has_a_glyph_for_every_terminal() -> None:
    assert all(len(full) == 1 and plain.isascii() for full, plain in GLYPHS.values())


def test_format_done_has_the_ended_and_all_builds() -> None:
    assert format_done({"built": 2, "failed": 1, "skipped": 1, "waiting": 3, "retried": 4}) == (
        "4/7 · 1 failed"
    )
    assert format_done({"queued": 1, "failed": 0}) == "0/1"
