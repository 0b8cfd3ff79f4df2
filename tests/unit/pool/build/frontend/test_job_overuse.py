"""A build that uses more than its jobs is noted once, by its output or its processes."""

from __future__ import annotations

import pytest

from pool.build.frontend.job_overuse import JobOveruseDetector
from pool.common.model import ProcessSample


def processes(*commands: str) -> list[ProcessSample]:
    return [
        ProcessSample(pid=n, ppid=1, name=command.split()[0], command=command, rss=0, cpu=0.0)
        for n, command in enumerate(commands)
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"make[1]: warning: jobserver unavailable: using -j1.  Add '+' to parent make rule.",
        b"make: warning: -j8 forced in submake: resetting jobserver mode.",
        b"warning: a `-j` argument was passed to Cargo but Cargo is also configured with an external jobserver in its environment, ignoring the `-j` parameter",
    ],
)
def test_messages_of_tools_are_detected_across_chunks(line: bytes) -> None:
    for cut in range(len(line)):
        detector = JobOveruseDetector()
        notes = detector.on_output(b"before\n" + line[:cut]) + detector.on_output(
            line[cut:] + b"\n"
        )
        notes += detector.on_output(line)
        assert len(notes) == 1
        assert "in its log" in notes[0]


def test_too_many_compilers_count_in_two_samples_in_a_row() -> None:
    detector = JobOveruseDetector()
    assert detector.on_sample(processes("python", "make", "cc1", "cc1plus"), 1) == []
    assert detector.on_sample(processes("cc1"), 1) == []
    assert detector.on_sample(processes("cc1", "rustc", "cc1"), 1) == []
    assert detector.on_sample(processes("cc1", "rustc", "as"), 1) == [
        "it runs more compilers than it has jobs: 2 of 1"
    ]
    assert detector.on_sample(processes("cc1", "rustc", "cc1"), 1) == []


def test_each_process_of_a_link_counts() -> None:
    detector = JobOveruseDetector()
    link = processes("gcc", "lto-wrapper", "make", "lto1-ltrans", "lto1-ltrans")
    assert detector.on_sample(link, 1) == []
    assert detector.on_sample(link, 1) == ["it runs more compilers than it has jobs: 2 of 1"]
    assert JobOveruseDetector().on_sample(processes("lto1-wpa", "lto1-wpa-stream"), 1) == []


def test_a_compiler_driver_that_waits_does_not_count() -> None:
    detector = JobOveruseDetector()
    for _ in range(3):
        assert detector.on_sample(processes("gcc", "collect2", "make", "ninja", "cargo"), 1) == []


def test_a_ninja_with_a_higher_number_is_noted_at_once() -> None:
    detector = JobOveruseDetector()
    assert detector.on_sample(processes("ninja -v -j 2", "make -j8 all", "ninja -v"), 2) == []
    (notes,) = detector.on_sample(processes("ninja -v -j 8 all"), 2)
    assert notes == "a ninja was given a -j of its own: ninja -v -j 8 all"
    assert detector.on_sample(processes("ninja -v -j 8 all"), 2) == []
