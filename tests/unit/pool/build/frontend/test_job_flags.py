"""Variables that tell tools how many jobs they may run: the user's are kept, ours come last."""

from __future__ import annotations

from pathlib import Path

import pytest

from pool.build.frontend.job_flags import (
    JOB_VARIABLES,
    job_flags,
    user_job_limits,
    uses_ninja,
    uses_numpy_distutils,
)
from pool.scheduling.jobserver import find_auth

FIFO = Path("/cache/b1/jobs")


@pytest.mark.parametrize(
    ("users", "ours"),
    [
        ("", " -j4 --jobserver-auth=fifo:/cache/b1/jobs"),
        ("-j16", " -j4 --jobserver-auth=fifo:/cache/b1/jobs"),
        ("ks", "ks -j4 --jobserver-auth=fifo:/cache/b1/jobs"),
        (
            "k -j8 --jobserver-auth=3,4 -- V=1 W=2",
            "k -j4 --jobserver-auth=fifo:/cache/b1/jobs -- V=1 W=2",
        ),
        (" --jobs=3 -s", "  -s -j4 --jobserver-auth=fifo:/cache/b1/jobs"),
    ],
)
def test_makeflags_of_the_user_are_preserved_without_job_options(users: str, ours: str) -> None:
    environ = job_flags({"MAKEFLAGS": users, "MAX_JOBS": "9"}, fifo=FIFO, max_jobs=4, lease=None)
    assert environ["MAKEFLAGS"] == ours
    assert find_auth(environ["MAKEFLAGS"]) == f"fifo:{FIFO}"
    assert "MAX_JOBS" not in environ


@pytest.mark.parametrize(
    ("users", "ours"),
    [
        ("", " -- --jobserver-auth=fifo:/cache/b1/jobs"),
        ("k -j8 -- V=1 W=2", "k -- --jobserver-auth=fifo:/cache/b1/jobs V=1 W=2"),
    ],
)
def test_hidden_fifo_follows_the_flags(users: str, ours: str) -> None:
    environ = job_flags({"MAKEFLAGS": users}, fifo=FIFO, max_jobs=4, lease=None, hides_fifo=True)
    assert environ["MAKEFLAGS"] == ours
    assert find_auth(ours) == f"fifo:{FIFO}"


def test_the_first_word_of_makeflags_is_never_one_of_our_flags() -> None:
    environ = job_flags({}, fifo=FIFO, max_jobs=4, lease=None)
    assert environ["MAKEFLAGS"].startswith(" ")
    assert environ["CARGO_MAKEFLAGS"].lstrip().startswith("-j4")


def test_a_lease_sets_all_job_variables() -> None:
    environ = job_flags({"MAX_JOBS": "9"}, fifo=FIFO, max_jobs=4, lease=2, called_by_path=True)
    assert {environ[name] for name in JOB_VARIABLES} == {"2"}


def test_a_lease_does_not_disable_the_jobserver_of_a_make_that_cmake_calls() -> None:
    environ = job_flags({"CMAKE_BUILD_PARALLEL_LEVEL": "9"}, fifo=FIFO, max_jobs=4, lease=2)
    assert environ["MAX_JOBS"] == "2"
    assert "CMAKE_BUILD_PARALLEL_LEVEL" not in environ


@pytest.mark.parametrize(
    ("environ", "bounds"),
    [
        ({}, {}),
        ({"MAX_JOBS": "4", "CARGO_BUILD_JOBS": "x", "NPY_NUM_BUILD_JOBS": "0"}, {"MAX_JOBS": 4}),
        ({"MAKEFLAGS": "-j12"}, {"MAKEFLAGS": 12}),
        ({"MAKEFLAGS": "s -j"}, {}),
        ({"MAKEFLAGS": " -j12 --jobserver-auth=3,4"}, {}),
    ],
)
def test_the_users_job_variables_limit_each_build(
    environ: dict[str, str], bounds: dict[str, int]
) -> None:
    assert user_job_limits(environ) == bounds


def test_tools_are_detected_by_the_build_requirements() -> None:
    assert uses_ninja({"meson-python": "0.18"}, {})
    assert uses_ninja({}, {"CMAKE_GENERATOR": "Ninja"})
    assert not uses_ninja({"setuptools": "80"}, {})
    assert uses_numpy_distutils({"numpy": "1.26", "setuptools": "59"}, "3.11.4")
    assert not uses_numpy_distutils({"numpy": "1.26", "setuptools": "59"}, "3.12.1")
