"""A build that takes more than its jobs is noticed once, by what it prints or what it runs."""

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
def test_words_of_tools_are_known_wherever_the_log_is_cut(line: bytes) -> None:
    for cut in range(len(line)):
        offence = JobOveruseDetector()
        told = offence.on_output(b"before\n" + line[:cut]) + offence.on_output(line[cut:] + b"\n")
        told += offence.on_output(line)
        assert len(told) == 1
        assert "in its log" in told[0]


def test_compilers_count_when_two_looks_in_a_row_see_too_many() -> None:
    offence = JobOveruseDetector()
    assert offence.on_sample(processes("python", "make", "cc1", "cc1plus"), 1) == []
    assert offence.on_sample(processes("cc1"), 1) == []
    assert offence.on_sample(processes("cc1", "rustc", "cc1"), 1) == []
    assert offence.on_sample(processes("cc1", "rustc", "as"), 1) == [
        "it runs more compilers than it has jobs: 2 of 1"
    ]
    assert offence.on_sample(processes("cc1", "rustc", "cc1"), 1) == []


def test_parts_of_one_link_count_each() -> None:
    offence = JobOveruseDetector()
    link = processes("gcc", "lto-wrapper", "make", "lto1-ltrans", "lto1-ltrans")
    assert offence.on_sample(link, 1) == []
    assert offence.on_sample(link, 1) == ["it runs more compilers than it has jobs: 2 of 1"]
    assert JobOveruseDetector().on_sample(processes("lto1-wpa", "lto1-wpa-stream"), 1) == []


def test_what_waits_for_a_compiler_is_none() -> None:
    offence = JobOveruseDetector()
    for _ in range(3):
        assert offence.on_sample(processes("gcc", "collect2", "make", "ninja", "cargo"), 1) == []


def test_a_ninja_that_was_given_a_higher_number_is_named_at_once() -> None:
    offence = JobOveruseDetector()
    assert offence.on_sample(processes("ninja -v -j 2", "make -j8 all", "ninja -v"), 2) == []
    (told,) = offence.on_sample(processes("ninja -v -j 8 all"), 2)
    assert told == "a ninja was given a -j of its own: ninja -v -j 8 all"
    assert offence.on_sample(processes("ninja -v -j 8 all"), 2) == []
