"""Properties of process deltas: omitted fields are restored."""

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
SAMPLES = st.lists(PROCESSES, unique_by=lambda process: process.pid).map(tuple)


@given(st.lists(SAMPLES, max_size=5))
def test_patching_decoded_deltas_restores_each_sample(
    samples: list[tuple[ProcessSample, ...]],
) -> None:
    sent: tuple[ProcessSample, ...] = ()
    received: tuple[ProcessSample, ...] = ()
    for sample in samples:
        line = msgspec.json.encode(diff(sample, sent))
        received = patch(msgspec.json.decode(line, type=tuple[ProcessDelta, ...]), received)
        sent = sample
        assert received == sample


@given(SAMPLES, SAMPLES)
def test_a_complete_sample_needs_no_sample_before(
    sample: tuple[ProcessSample, ...], before: tuple[ProcessSample, ...]
) -> None:
    line = msgspec.json.encode(sample)
    assert patch(msgspec.json.decode(line, type=tuple[ProcessDelta, ...]), before) == sample


@given(SAMPLES)
def test_the_delta_of_equal_samples_has_only_pids(sample: tuple[ProcessSample, ...]) -> None:
    assert diff(sample, sample) == tuple(ProcessDelta(pid=process.pid) for process in sample)


def test_fields_without_a_sample_before_are_empty() -> None:
    (only,) = patch([ProcessDelta(pid=7, rss=1)], ())
    assert only == ProcessSample(pid=7, ppid=0, name="", command="", rss=1, cpu=0.0)
