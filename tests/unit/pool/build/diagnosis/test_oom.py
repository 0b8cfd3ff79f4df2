"""Classification of failed hooks as out of memory, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from pool.build.diagnosis.oom import Certainty, OomEvidence, classify, describe_verdict

GIB = 1 << 30


def described(code: int = 1, *tail: str, **more: Any) -> str:
    verdict = classify(OomEvidence(hook="build_wheel", code=code, tail=tail, **more))
    return describe_verdict(verdict) if verdict.certainty != "no" else "no"


@pytest.mark.parametrize(
    ("line", "victim"),
    [
        ("g++: fatal error: Killed signal terminated program cc1plus", "cc1plus"),
        ("g++: internal compiler error: Killed (program cc1plus)", "cc1plus"),
        ("collect2: fatal error: ld terminated with signal 9 [Killed]", "ld"),
        ("/bin/sh: line 1: 4711 Killed                  /usr/bin/nvcc -c x.cu", "nvcc"),
        ("error: command '/usr/bin/x86_64-linux-gnu-gcc' failed with exit code -9",
         "x86_64-linux-gnu-gcc"),
        ("error: command 'gcc' terminated by signal 9", "gcc"),
        ("clang: fatal error: Killed", "a process"),
        ("  process didn't exit successfully: `rustc` (signal: 9, SIGKILL: kill)", "a process"),
        ("make: *** [Makefile:3: x.o] Killed", "a process"),
        ("FAILED: [code=137] x.o", "a process"),
        ("Command 'cmake --build .' returned non-zero exit status 137", "a process"),
    ],
)  # fmt: skip
def test_a_killed_process_is_named_and_certain_if_the_kernel_counted_it(
    line: str, victim: str
) -> None:
    text = described(1, "before", line, "make: *** Error 1", kernel_kills=1)
    assert text == f"out of memory (certain): {victim} was killed; the kernel counted 1 oom kill"
    assert described(1, line) == "no", "killed, but nothing says that it was for memory"


@pytest.mark.parametrize("code", [-9, 137])
def test_a_killed_hook_is_named_itself(code: int) -> None:
    text = described(code, cgroup_kills=2, kernel_kills=7)
    assert text == "out of memory (certain): build_wheel was killed; the cgroup counted 2 oom kills"


@pytest.mark.parametrize(
    "line",
    [
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "cc1plus: out of memory allocating 65536 bytes after a total of 4194304 bytes",
        "virtual memory exhausted: Cannot allocate memory",
        "MemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8 GiB",
        "OSError: [Errno 12] Cannot allocate memory",
        "memory allocation of 268435456 bytes failed",
        "/usr/bin/ld: final link failed: memory exhausted",
        "LLVM ERROR: out of memory",
    ],
)
def test_a_failed_allocation_is_quoted_from_the_log(line: str) -> None:
    text = described(1, line, "error: command failed")
    assert text == f'out of memory (probable): its output says "{line}"'
    text = described(1, line, address_space=2 * GIB)
    assert text.startswith("out of memory (certain): ")
    assert text.endswith("; the limit on address space (ulimit -v) is 2.0 GiB")


RULES: list[tuple[dict[str, Any], Certainty, str]] = [
    ({}, "no", ""),
    ({"sent_by_us": True, "kernel_kills": 3}, "no", "wheelpool ended it"),
    ({"kernel_kills": 1}, "certain", "the kernel counted 1 oom kill"),
    ({"cgroup_kills": 1}, "certain", "the cgroup counted 1 oom kill"),
    ({"used": 7 * GIB, "limit": 8 * GIB}, "probable", "it used 7.0 GiB, the machine has 8.0 GiB"),
    ({"used": 950 << 20, "limit": GIB, "limit_label": "its cgroup may have"}, "probable",
     "it used 950 MiB, its cgroup may have 1.0 GiB"),
    ({"used": 2 * GIB, "limit": 8 * GIB, "available": GIB >> 1}, "probable",
     "memory was low: 512 MiB left, the machine has 8.0 GiB"),
    ({"used": 2 * GIB, "limit": 8 * GIB, "available": 4 * GIB}, "no", ""),
    ({"used": 2 * GIB, "available": 0}, "no", ""),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "certainty", "reason"), RULES)
def test_a_kill_is_classified_by_limits_and_counters(
    facts: dict[str, Any], certainty: Certainty, reason: str
) -> None:
    verdict = classify(OomEvidence(hook="build_wheel", code=-9, **facts))
    assert verdict.certainty == certainty
    assert verdict.reasons == ((reason,) if reason else ())


@pytest.mark.parametrize(
    "line",
    [
        "error: invalid syntax",
        "    except MemoryError:",
        "   12 |   throw std::bad_alloc();",
        "ld: x.o: undefined reference to `std::bad_alloc::~bad_alloc()'",
        "cc -c src/MemoryError.c -o MemoryError.o",
        "checking whether fork fails with cannot allocate memory... no",
        "x.c:3:1: warning: out of memory is not handled",
        "RuntimeError: CUDA out of memory.",
        "signal 11",
        "Killed Bill",
        "",
    ],
)
def test_other_failures_are_not_out_of_memory(line: str) -> None:
    assert described(1, line, kernel_kills=4, used=8 * GIB, limit=8 * GIB) == "no"


def test_a_kill_without_a_count_came_from_outside() -> None:
    text = described(-9, limit=8 * GIB, available=0)
    assert text.startswith("out of memory (probable): build_wheel was killed from outside; memory")


def test_a_long_line_is_cut_around_the_match() -> None:
    text = described(1, "x" * 300 + " out of memory " + "y" * 300)
    assert "out of memory" in text
    assert len(text) < 200
