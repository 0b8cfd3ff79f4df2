"""Properties of processes in the journal: what is left out is always understood."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pool.common.model import ProcessSample
from pool.events.process_delta import ProcessDelta, diff, patch

PROCESSES = st.builds(
    ProcessSample,
    pid=st.integers(1, 5),
    ppid=st.integers(0, 3),
    name=st.sampled_from(["", "cc", "ld"]),
    command=st.sampled_from(["", "cc -c a.c"]),
    rss=st.integers(0, 2),
    cpu=st.sampled_from([0.0, 1.0, 200.0]),
)
LOOKS = st.lists(PROCESSES, unique_by=lambda process: process.pid).map(tuple)


@given(st.lists(LOOKS, max_size=5))
def test_who_folds_sees_what_was_seen_by_way_of_a_line_of_json(
    looks: list[tuple[ProcessSample, ...]],
) -> None:
    told: tuple[ProcessSample, ...] = ()
    known: tuple[ProcessSample, ...] = ()
    for look in looks:
        line = msgspec.json.encode(diff(look, told))
        known = patch(msgspec.json.decode(line, type=tuple[ProcessDelta, ...]), known)
        told = look
        assert known == look


@given(LOOKS, LOOKS)
def test_a_journal_that_leaves_out_nothing_needs_no_memory(
    look: tuple[ProcessSample, ...], before: tuple[ProcessSample, ...]
) -> None:
    line = msgspec.json.encode(look)
    assert patch(msgspec.json.decode(line, type=tuple[ProcessDelta, ...]), before) == look


@given(LOOKS)
def test_of_what_is_as_it_was_only_the_pid_is_told(look: tuple[ProcessSample, ...]) -> None:
    assert diff(look, look) == tuple(ProcessDelta(pid=process.pid) for process in look)


def test_what_nobody_was_told_about_is_empty_and_no_error() -> None:
    (only,) = patch([ProcessDelta(pid=7, rss=1)], ())
    assert only == ProcessSample(pid=7, ppid=0, name="", command="", rss=1, cpu=0.0)
