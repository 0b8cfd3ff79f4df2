"""How much of builds and runs is done: from their output, else from their usual durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import pool
from app.model.progress import build_fraction, run_progress
from app.text.meters.bar import EIGHTHS, format_bar
from pool import BuildId, Outcome, Phase
from pool.events import types as v

A, B, C = BuildId("b1"), BuildId("b2"), BuildId("b3")


def fold(*events: tuple[float, v.KnownEvent]) -> pool.RunState:
    """Return the state after events at some seconds since the start."""
    state = pool.RunState()
    pool.apply_all(state, [replace(event, t=t) for t, event in events])
    return state


def queued(build: BuildId, expected: float | None = None) -> v.BuildQueued:
    return v.BuildQueued(build=build, name=build, target="x", log="x", expected=expected)


def running(line: str, expected: float | None = None) -> pool.BuildState:
    """Return a build that has worked for 10 seconds and has printed a line."""
    state = fold(
        (0.0, queued(A, expected)),
        (0.0, v.BuildStarted(build=A, slot=1)),
        (0.0, v.BuildPhase(build=A, phase=Phase.BUILD)),
        (10.0, v.BuildOutput(build=A, lines=1, bytes=9, last=line)),
    )
    return state.builds[A]


@pytest.mark.parametrize(
    ("line", "fraction"),
    [
        ("[12/48] Compiling x.c", 0.25),
        (" [ 1/ 4] x", 0.25),
        ("[1/3] Cythonizing x.pyx", 1 / 3),
        ("[ 40%] Building CXX object", 0.4),
        ("100% done", 1.0),
        ("120% of the usual", None),
        ("[5/0] x", None),
        ("[9/4] x", None),
        ("copying a/b.py", None),
        ("", None),
    ],
)
def test_build_fraction_of_a_line_is_the_printed_one(line: str, fraction: float | None) -> None:
    assert build_fraction(running(line), 10.0) == fraction


def test_build_fraction_without_a_telling_line_is_the_part_of_the_usual_time() -> None:
    assert build_fraction(running("x", expected=40.0), 10.0) == 0.25
    assert build_fraction(running("x", expected=5.0), 10.0) == 0.95
    assert build_fraction(running("[1/2] x", expected=40.0), 10.0) == 0.5


def test_run_progress_counts_expected_work_not_builds() -> None:
    state = fold(
        (0.0, queued(A, 10.0)),
        (0.0, queued(B, 70.0)),
        (0.0, queued(C, 20.0)),
        (0.0, v.BuildStarted(build=A, slot=1)),
        (1.0, v.BuildFinished(build=A, outcome=Outcome.BUILT)),
        (1.0, v.BuildStarted(build=B, slot=1)),
        (1.0, v.BuildPhase(build=B, phase=Phase.BUILD)),
        (1.0, v.BuildOutput(build=B, lines=1, bytes=9, last="[1/2] x")),
        (2.0, v.BuildFinished(build=C, outcome=Outcome.FAILED)),
    )
    assert run_progress(state, 2.0) == pytest.approx((0.1, 0.2, 0.35))


def test_run_progress_of_no_builds_is_nothing() -> None:
    assert run_progress(fold(), 5.0) == (0.0, 0.0, 0.0)


@given(st.none() | st.integers(-5, 99), st.integers(1, 40), st.booleans())
def test_format_bar_fills_its_cells(eighths: int | None, width: int, plain: bool) -> None:
    bar = format_bar(eighths, width, ascii_only=plain)
    assert len(bar) == width
    assert bar.isascii() or not plain
    if eighths == EIGHTHS:
        assert set(bar) == {"#" if plain else "█"}
