"""Caps under low limits of open files and processes, and errors that mean a shortage."""

from __future__ import annotations

import errno

import pytest

from pool.common.errors import ProjectError, SettingsError
from pool.common.model import LimitName
from pool.system.process_limits import (
    allowed_threads,
    check_limits,
    is_shortage,
    lower_caps,
    shortage_error,
)

CAPS = {
    LimitName.BUILDS: 20,
    LimitName.DOWNLOADS: 8,
    LimitName.INSTALLS: 4,
    LimitName.JOBS: 20,
}


@pytest.mark.parametrize(("files", "processes"), [(None, None), (65_536, 10_000)])
def test_high_limits_leave_the_caps(files: int | None, processes: int | None) -> None:
    assert lower_caps(CAPS, files=files, processes=processes) == (CAPS, [])


def test_low_limit_of_open_files_lowers_caps_with_a_note() -> None:
    caps, notes = lower_caps(CAPS, files=64, processes=None)
    assert caps[LimitName.BUILDS] == 3
    assert caps[LimitName.JOBS] == 20
    assert notes == [
        "this process may have 64 open files (ulimit -n): the limits are builds 3, downloads 4, installs 2"
    ]


def test_low_limit_of_processes_lowers_builds_and_jobs() -> None:
    caps, notes = lower_caps(CAPS, files=None, processes=60)
    assert (caps[LimitName.BUILDS], caps[LimitName.JOBS]) == (7, 6)
    assert notes == [
        "this process may have 60 more processes (ulimit -u): the limits are builds 7, jobs 6"
    ]


@pytest.mark.parametrize(("limit", "threads"), [(-1, 8), (4096, 8), (40, 2), (16, 1), (3, 1)])
def test_threads_of_executors_follow_the_limit_of_processes(
    limit: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("resource.getrlimit", lambda _: (limit, limit))
    assert allowed_threads(8) == threads


@pytest.mark.parametrize("amount", [0, 10, 33])
def test_caps_are_at_least_one(amount: int) -> None:
    caps, _ = lower_caps(CAPS, files=amount, processes=amount)
    assert min(caps.values()) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM])
def test_error_that_was_caused_by_a_shortage_is_one(number: int) -> None:
    verdict = ProjectError("x.whl is not a wheel")
    verdict.__cause__ = OSError(number, "short")
    assert is_shortage(verdict)
    assert is_shortage(OSError(number, "short"))


def test_taken_lock_that_an_error_hides_is_no_shortage() -> None:
    verdict = ProjectError("another run writes it")
    verdict.__context__ = BlockingIOError(errno.EAGAIN, "locked")
    assert is_shortage(verdict)
    verdict.__suppress_context__ = True  # As ``raise ... from None`` does.
    assert not is_shortage(verdict)


def test_other_errors_are_no_shortage() -> None:
    assert is_shortage(RuntimeError("can't start new thread"))
    assert not is_shortage(OSError(errno.ENOSPC, "full"))
    assert not is_shortage(ProjectError("x.whl is not a wheel"))


def test_is_shortage_part_of_a_group_is_found() -> None:
    group = ExceptionGroup("both", [ValueError("x"), OSError(errno.EMFILE, "short")])
    verdict = ProjectError("no index can be reached")
    verdict.__cause__ = group
    assert is_shortage(verdict)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (OSError(errno.EMFILE, "short"), "open files are allowed (ulimit -n)"),
        (OSError(errno.EAGAIN, "short"), "processes are allowed (ulimit -u)"),
        (RuntimeError("can't start new thread"), "processes are allowed (ulimit -u)"),
        (OSError(errno.ENOMEM, "short"), "no memory"),
    ],
)
def test_shortage_error_names_the_limit(problem: Exception, words: str) -> None:
    error = shortage_error(problem)
    assert error is not None
    assert words in error.message
    assert error.hint
    assert shortage_error(ValueError("x")) is None


@pytest.mark.parametrize(("files", "processes"), [(23, None), (None, 9), (0, 0)])
def test_check_limits_too_low_is_an_error(files: int | None, processes: int | None) -> None:
    with pytest.raises(SettingsError, match="are needed"):
        check_limits(files, processes)


@pytest.mark.parametrize(("files", "processes"), [(24, 10), (None, None)])
def test_check_limits_enough_passes(files: int | None, processes: int | None) -> None:
    check_limits(files, processes)
