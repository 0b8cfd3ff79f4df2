"""Sentences about version resolution and installation."""

from __future__ import annotations

import pytest

import pool
from app.text import run_status as story
from app.text.run_status import StatusMessage
from pool import Holder
from pool.events import types as v

ENV = "/home/u/project/.venv"
STARTED = v.RunStarted(limits={}, targets=2, out_dir="o", logs="l", environment=ENV)
RESOLVING = v.ResolveStarted(requirements=("a", "b"), t=1.0)
RESOLVED = v.ResolveFinished(
    picked=(
        v.SelectedVersion(name="a", version="1", kind="wheel"),
        v.SelectedVersion(name="b", version="1", kind="sdist"),
        v.SelectedVersion(name="c", version="1", kind="direct"),
        v.SelectedVersion(name="d", version="1", kind="direct", file="d-1-py3-none-any.whl"),
        v.SelectedVersion(name="e", version="1", kind="installed"),
    )
)


def status_of(*events: v.KnownEvent, now: float = 0.0) -> StatusMessage | None:
    state = pool.RunState()
    pool.apply_all(state, [STARTED, *events])
    return story.current_status(state, now)


def changed(*changes: v.EnvironmentChange) -> v.EnvironmentChanged:
    return v.EnvironmentChanged(environment=ENV, changes=changes)


NEW = v.EnvironmentChange(name="a", new="1")
UP = v.EnvironmentChange(name="b", old="1.9", new="1.10")
DOWN = v.EnvironmentChange(name="c", old="1.10", new="1.9")
SAME = v.EnvironmentChange(name="d", old="1", new="1")
EDITABLE = v.EnvironmentChange(name="e", new="1", editable=True)
GONE = v.EnvironmentChange(name="f", old="1")


def test_no_status_without_resolution_and_environment() -> None:
    assert status_of() is None
    assert story.current_status(pool.RunState(), 0.0) is None


def test_resolving_shows_its_progress_and_then_its_result() -> None:
    pages = v.ResolveProgress(pages=34)
    asked = "resolving 2 requirements"
    assert status_of(RESOLVING, now=5.0) == StatusMessage("working", (f"{asked} · 0:04",))
    assert status_of(RESOLVING, pages, now=5.0) == StatusMessage(
        "working", (f"{asked} · 34 pages · 0:04",)
    )
    assert status_of(RESOLVING, RESOLVED) == StatusMessage(
        "done", ("resolved 5 distributions: 2 from source, 2 wheels, 1 kept",)
    )


def test_a_conflict_has_a_line_for_each_sentence() -> None:
    failed = v.ResolveFailed(
        reference="conflict", message="no set fits; x.txt:1 asks for a<2\nb 1 needs a>=2", hint="go"
    )
    assert status_of(RESOLVING, failed) == StatusMessage(
        "failed", ("not resolved: no set fits", "x.txt:1 asks for a<2", "b 1 needs a>=2", "go")
    )


def test_failure_before_resolution_has_its_line() -> None:
    failed = v.ResolveFailed(reference="x", message="core says nothing of itself")
    assert status_of(failed) == StatusMessage(
        "failed", ("not resolved: core says nothing of itself",)
    )


def test_an_environment_waits_is_written_and_done() -> None:
    waiting = v.LockWaiting(lock=ENV, holder=Holder(pid=4711, command="uv pip install"), t=8.0)
    words = "waiting 0:12 for .venv: held by uv pip install (pid 4711)"
    assert status_of(RESOLVING, RESOLVED, waiting, now=20.0) == StatusMessage("waiting", (words,))
    has, left = v.LockAcquired(lock=ENV), v.LockReleased(lock=ENV)
    assert status_of(waiting, has) == StatusMessage("working", ("writing into .venv",))
    assert status_of(waiting, has, changed(NEW), left) == StatusMessage(
        "done", ("installed 1 into .venv",)
    )


def test_a_failed_environment_is_shown_until_it_is_changed() -> None:
    failed = v.EnvironmentFailed(environment=ENV, reference="x", message="it is full", hint="clear")
    assert status_of(failed) == StatusMessage(
        "failed", ("not installed into .venv: it is full", "clear")
    )
    assert status_of(failed, changed(NEW)) == StatusMessage("done", ("installed 1 into .venv",))


def test_newest_note_follows_a_finished_status() -> None:
    remarks = v.Note(text="old"), v.Note(text="by the way")
    assert status_of(*remarks) == StatusMessage("done", ("note: by the way",))
    assert status_of(changed(NEW), *remarks) == StatusMessage(
        "done", ("installed 1 into .venv   note: by the way",)
    )
    assert status_of(RESOLVING, *remarks, now=1.0) == StatusMessage(
        "working", ("resolving 2 requirements · 0:00",)
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ((NEW, UP, EDITABLE), "installed 3 into .venv (1 upgraded, 1 editable)"),
        ((DOWN, SAME, GONE), "installed 2 into .venv (1 downgraded, 1 reinstalled, 1 removed)"),
        ((GONE,), "removed 1 from .venv"),
        ((NEW, NEW), "installed 1 into .venv"),
    ],
)
def test_changes_are_summed_up(changes: tuple[v.EnvironmentChange, ...], words: str) -> None:
    assert status_of(changed(*changes)) == StatusMessage("done", (words,))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (NEW, "+ a==1"),
        (UP, "~ b==1.10 (was 1.9)"),
        (SAME, "~ d==1 (reinstalled)"),
        (EDITABLE, "+ e==1 (editable)"),
        (GONE, "- f==1"),
        (v.EnvironmentChange(name="x", old="2004d", new="1", editable=True), "~ x==1 (editable, was 2004d)"),
    ],
)  # fmt: skip
def test_a_change_is_one_phrase(change: v.EnvironmentChange, words: str) -> None:
    assert story.format_change(change) == words


@pytest.mark.parametrize("old", ["2004d", "9" * 5000])
def test_a_version_without_rules_is_older_than_any(old: str) -> None:
    assert story.change_kind(v.EnvironmentChange(name="x", old=old, new="1")) == "upgraded"


@pytest.mark.parametrize(
    ("path", "words"),
    [(ENV, ".venv"), (f"{ENV}/.lock", ".venv"), ("/usr", "/usr"), (".venv", ".venv")],
)
def test_environments_are_called_by_their_folder(path: str, words: str) -> None:
    assert story.environment_name(path) == words
