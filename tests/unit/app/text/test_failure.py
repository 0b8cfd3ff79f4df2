"""The words of a failed build: cause, fix, dependents that were skipped, rerun, log."""

from __future__ import annotations

from msgspec.structs import replace

import pool
from app.text.failure import failure_facts, log_name, short_cause
from app.text.rows import build_row
from pool.common.model import BuildId, Outcome
from pool.events import types as v
from tests.support.home import HEADER

A, B, C = BuildId("b1"), BuildId("b2"), BuildId("b3")


def failed_state(**fields: str) -> pool.RunState:
    """Return a run in which a nested build failed, and one of its two dependents was skipped."""
    state = pool.RunState()
    ended = replace(v.BuildFinished(build=A, outcome=Outcome.FAILED), **fields)
    story = (
        v.RunStarted(limits={}, targets=2, out_dir="o", logs="/s/logs"),
        v.BuildQueued(build=B, name="plugin", version="1.0", target="./b", log="b"),
        v.BuildQueued(build=C, name="other", version="2.0", target="./c", log="c"),
        v.BuildQueued(build=A, name="core", target="core", log="a.log", needed_by=(B, C)),
        v.BuildOutput(build=A, lines=3, bytes=9, last="x"),
        ended,
        v.BuildFinished(build=B, outcome=Outcome.SKIPPED, message="needs core"),
        v.BuildFinished(build=C, outcome=Outcome.CANCELLED),
    )
    pool.apply_all(state, story)
    return state


def test_failure_facts_have_cause_fix_skipped_dependents_and_rerun() -> None:
    state = failed_state(cause="no numpy", message="No module: numpy", hint="add it", rerun="make")
    assert dict(failure_facts(state.builds[A], state)) == {
        "cause": "No module: numpy",
        "fix": "add it",
        "also": "plugin 1.0 was skipped because of it",
        "rerun": "make",
    }
    assert log_name(state.builds[A], state) == "/s/logs/a.log"


def test_failure_of_an_older_journal_has_the_first_sentence_as_its_cause() -> None:
    state = failed_state(message="no versions; a wants 1; b wants 2")
    assert short_cause(state.builds[A]) == "no versions"
    assert [label for label, _ in failure_facts(state.builds[A], state)] == ["cause", "also"]


def test_row_of_a_failed_build_has_cause_and_fix() -> None:
    state = failed_state(cause="no numpy", message="No module: numpy", hint="add it")
    row = build_row(state.builds[A], state, 5.0)
    assert (row.kind, row.detail, row.last) == ("failed", "no numpy", "add it")


def test_log_of_a_saved_run_is_named_by_the_command_that_prints_it() -> None:
    state = failed_state(message="no")
    state.logs = f"/s/runs/{HEADER.run}/logs"
    state.header = HEADER
    assert log_name(state.builds[A], state) == "wheelpool log core"
    again = v.BuildQueued(build=BuildId("b4"), name="core", target="core", log="x")
    pool.apply_all(state, [again])
    assert log_name(state.builds[A], state) == "wheelpool log b1"
