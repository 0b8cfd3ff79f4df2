"""The engine in its own thread: events come out, controls go in, at any time."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

import pool
from app.source.live import LiveSession
from pool import Outcome
from tests.support.makers import make_tree

if TYPE_CHECKING:
    from pathlib import Path


def settings(root: Path) -> pool.Settings:
    environ = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    return pool.Settings(
        builds=2,
        downloads=2,
        installs=2,
        jobs=2,
        out_dir=root / "out",
        cache_dir=root / "cache",
        state_dir=root / "state",
        journal=None,
        index=pool.read_index_settings(environ),
        environ=environ,
        argv=("wheelpool",),
    )


def session_of(root: Path, *names: str) -> LiveSession:
    trees = [make_tree(root, name) for name in names]
    wishes = tuple(pool.parse_requirement(str(tree), root) for tree in trees)
    return LiveSession(settings(root), pool.Request(requirements=wishes))


def followed(session: LiveSession, state: pool.RunState | None = None) -> pool.RunState:
    state = state or pool.RunState()
    while not session.exhausted:
        session.wait(10.0)
        pool.apply_all(state, session.poll())
    session.join()
    return state


def test_emitted_events_equal_the_written_ones(tmp_path: Path) -> None:
    session = session_of(tmp_path, "liba", "libb")
    session.start()
    state = followed(session)
    assert session.exit_code == 0
    assert session.error is None
    assert state.totals == {Outcome.BUILT: 2}
    with pool.JournalReader(session.journal) as reader:
        assert reader.header == session.header
        written = pool.RunState()
        pool.apply_all(written, reader.read())
    assert written == state


def test_a_command_before_the_start_is_obeyed(tmp_path: Path) -> None:
    session = session_of(tmp_path, "liba", "libb")
    session.send(pool.Stop())
    session.start()
    state = followed(session)
    assert session.exit_code == 130
    assert not any(outcome.is_success for outcome in state.totals)


def test_control_after_the_end_is_ignored(tmp_path: Path) -> None:
    session = session_of(tmp_path, "liba")
    session.start()
    followed(session)
    session.send(pool.Stop(now=True))
    assert session.poll() == []
    assert session.exhausted


def test_bad_settings_start_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(pool.OutputError):
        session_of(tmp_path, "liba")
    assert threading.active_count() == 1


async def run_with_bug(_: pool.Run) -> int:
    bug = ZeroDivisionError("oh https://me:hidden@host.test/")
    raise ExceptionGroup("a group of tasks", [bug])


def test_internal_error_ends_the_run_and_writes_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool.Run, "run", run_with_bug)
    session = session_of(tmp_path, "liba")
    session.start()
    followed(session)
    assert session.exit_code == 3
    kept = pool.logs_path(session.journal) / "traceback.txt"
    assert session.error is not None
    assert session.error.startswith("an error of wheelpool's own: ZeroDivisionError: oh")
    assert str(kept) in session.error
    assert "Traceback" in kept.read_text()
    assert "hidden" not in session.error + kept.read_text()
