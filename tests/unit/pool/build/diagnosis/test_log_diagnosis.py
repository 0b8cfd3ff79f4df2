"""Diagnoses of logs of real failed builds, and of messages of tools that are not installed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from pool.build.diagnosis.fix_context import UNKNOWN_CONTEXT
from pool.build.diagnosis.fixes import required_for
from pool.build.diagnosis.log_diagnosis import Diagnosis, diagnose
from pool.build.diagnosis.system_packages import (
    fix_for_header,
    fix_for_library,
    fix_for_program,
)
from pool.common.text import clean_line

TRACEBACK = "Traceback (most recent call last):\n  File x\n"
LOGS = Path(__file__).with_name("logs")


def of(text: str | bytes) -> Diagnosis:
    raw = text.encode() if isinstance(text, str) else text
    found = diagnose(map(clean_line, raw.splitlines()))
    assert found is not None
    return found


DUBIOUS = "fatal: detected dubious ownership in repository at '/t'\n"


@pytest.mark.parametrize(
    ("log", "cause", "hint"),
    [
        (DUBIOUS + TRACEBACK + "LookupError: no version", "dubious ownership", "safe.directory"),
        (DUBIOUS + "x.c:1:1: error: no", "x.c:1:1: error: no", ""),
        (
            "/e/bin/python3.11: No module named pip\n"
            + TRACEBACK
            + "subprocess.CalledProcessError: Command 'x' returned non-zero exit status 1.",
            "No module named pip",
            "--no-build-isolation in an environment that has pip",
        ),
        (
            TRACEBACK + "OSError: [Errno 18] Invalid cross-device link: 'a' -> 'b'",
            "Invalid cross-device link",
            "on one, or use --copy",
        ),
        (
            TRACEBACK + "PermissionError: [Errno 13] Permission denied: 'x'",
            "Permission denied: 'x'",
            "--copy builds in a copy",
        ),
    ],
)
def test_problems_of_the_surroundings_give_a_fix(log: str, cause: str, hint: str) -> None:
    found = of(log)
    assert cause in found.cause
    assert hint in found.hint
    assert bool(hint) == bool(found.hint)


@pytest.mark.parametrize(
    ("log", "cause", "hint", "at"),
    [
        ("noheader", "fatal error: libpq-fe.h: No such file", "libpq-dev (Debian, Ubuntu)", 14),
        ("cerror", "undeclared (first use in this function)", "", 15),
        ("nolib", "/usr/bin/ld: cannot find -lfrobnicate", "", 15),
        ("undefref", "undefined reference to `there_is_none'", "", 19),
        ("nomodule", "ModuleNotFoundError: No module named 'numpy'", "add numpy to", 19),
        ("pkgres", "No module named 'pkg_resources'", "write 'setuptools<81' into", 19),
        ("syntaxerr", "SyntaxError: invalid syntax. Perhaps you forgot a comma?", "", 21),
        (
            "cmakeerr",
            'CMake Error at CMakeLists.txt:3 (find_package): By not providing "Find',
            "",
            10,
        ),
        ("pkgconf", "Package 'gtk+-3.0', required by", "libgtk-3-dev (Debian, Ubuntu)", 12),
        ("mesonerr", 'meson.build:3:6: ERROR: Dependency "cairo-thing" not found', "", 18),
        ("rusterr", "error[E0425]: cannot find value `missing` in this scope", "", 7),
        ("noprog", "No such file or directory: 'swig'", "swig is in swig", 29),
        ("nocc", "No such file or directory: 'no-such-gcc'", "", 12),
        (
            "badmeta",
            "configuration error: `project.version` must be pep440",
            "correct version in",
            1,
        ),
    ],
)
def test_logs_of_real_failures_give_cause_and_hint(
    log: str, cause: str, hint: str, at: int
) -> None:
    text = (LOGS / f"{log}.txt").read_bytes()
    found = of(text)
    assert cause in found.cause
    assert hint in found.hint
    assert bool(hint) == bool(found.hint)
    assert at in [number for number, _ in found.lines]
    lines = [clean_line(line) for line in text.splitlines()]
    assert all(lines[number - 1] == line for number, line in found.lines)
    assert len(found.lines) <= 18


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("x.c:1:10: fatal error: 'Python.h' file not found", "python3-dev"),
        ("x.c:1:10: fatal error: numpy/arrayobject.h: No such file or directory", "add numpy to"),
        ("x.c:1:10: fatal error: libxml/parser.h: No such file or directory", "libxml2-devel"),
        ("/usr/bin/ld: cannot find -lssl", "libssl-dev"),
        ("ld.lld: error: unable to find library -lz", "zlib1g-dev"),
        ("/bin/sh: 1: gfortran: not found\nmake: *** [Makefile:3: all] Error 127", "gcc-gfortran"),
        ("sh: line 1: cmake: command not found", "cmake is in cmake"),
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", "is in gcc"),
        ("error: can't find Rust compiler", "cargo is in cargo"),
        ("Error: pg_config executable not found.", "libpq-dev"),
        ("../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc']]", "cc is in gcc"),
        ('meson.build:7:0: ERROR: Dependency "libffi" not found, tried pkgconfig', "libffi-devel"),
        ("No package 'libsystemd' found", "libsystemd-dev"),
        ("CMake Error at F.cmake:1 (message):\n  Could NOT find CURL (missing: X)\n\n", "libcurl"),
        ("CMake Error: No CMAKE_CXX_COMPILER could be found.", "gcc-c++"),
        ("gcc: fatal error: Killed signal terminated program cc1plus", "--jobs"),
        (
            f"{TRACEBACK}ValueError: ZIP does not support timestamps before 1980",
            "SOURCE_DATE_EPOCH",
        ),
        (
            f"{TRACEBACK}ModuleNotFoundError: No module named 'distutils'",
            "add setuptools to",
        ),
        (
            f"{TRACEBACK}ModuleNotFoundError: No module named 'imp'",
            "replace imp in setup.py",
        ),
    ],
)
def test_known_errors_have_a_hint(text: str, hint: str) -> None:
    assert hint in of(text).hint


def test_the_first_error_counts_not_its_consequences() -> None:
    found = of(
        "a.c:1:1: error: first\nb.c:2:2: error: second\n"
        "Traceback (most recent call last):\n  File x\n"
        "subprocess.CalledProcessError: Command 'ninja' returned non-zero exit status 1.\n"
        "error: subprocess-exited-with-error\n"
    )
    assert found.cause == "a.c:1:1: error: first"


def test_failed_configure_checks_are_no_cause() -> None:
    found = of(
        "_configtest.c:1:10: fatal error: nope.h: No such file or directory\n"
        "--   Package 'nope', required by 'virtual:world', not found\n"
        "-- Configuring done\n" + "[1/2] Building\n" * 10 + "x.c:9:1: error: this is it\n"
    )
    assert found.cause == "x.c:9:1: error: this is it"


def test_the_last_exception_of_a_chain_counts() -> None:
    found = of(
        "Traceback (most recent call last):\n  File a\nKeyError: 'x'\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n  File b\nRuntimeError: set X_HOME\n"
    )
    assert found.cause == "RuntimeError: set X_HOME"


def test_without_an_error_the_last_line_is_the_cause() -> None:
    assert of("one\ntwo\n\n").cause == "two"
    assert diagnose([]) is None


def test_line_numbers_count_from_the_given_first_line() -> None:
    found = diagnose(["", "x.c:1:1: error: here"], first=1000)
    assert found
    assert found.lines == ((1001, "x.c:1:1: error: here"),)


def test_lines_that_slow_patterns_down_are_scanned_in_time() -> None:
    """A pattern with quadratic backtracking would run for years."""
    nasty = [
        clean_line(text * 10_000)
        for text in (": error ", "a:1:", "Package ", "not found ", "CMake Erro ", "'" * 9, " (")
    ]
    found = diagnose([*nasty * 500, "x.c:1:1: error: here"])
    assert found
    assert found.cause == "x.c:1:1: error: here"


def test_packages_are_found_for_listed_names_and_no_others() -> None:
    assert "libffi-dev" in fix_for_header("ffi.h", UNKNOWN_CONTEXT)
    assert "openssl-devel" in fix_for_header("openssl/ssl.h", UNKNOWN_CONTEXT)
    assert "python3-devel" in fix_for_library("python3.11", UNKNOWN_CONTEXT)
    for lookup in (fix_for_header, fix_for_library, fix_for_program):
        assert lookup("mine", UNKNOWN_CONTEXT) == ""
    assert required_for("yaml.cyaml") == "pyyaml"
