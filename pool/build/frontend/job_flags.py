"""The environment variables that tell a build's tools how many jobs they may run.

Deliberately pure. A tool either speaks the jobserver protocol of GNU make or gets a fixed number:

==============================  =============================================================
make, gmake >= 4.4              reads the FIFO by itself
make, gmake < 4.4               through a shim first on PATH (`pool.build.frontend.tool_shims`);
                                by its path: one job
ninja >= 1.13                   by itself; a shim leaves out a ``-jN``, which would disable it
cargo, rustc                    by themselves; cargo reads CARGO_MAKEFLAGS first
gcc -flto                       by itself; before gcc 13 through the make shim
ninja < 1.13                    no jobserver: a lease of k jobs, ``-jk`` by a shim
torch's extensions              no jobserver: a lease, MAX_JOBS
numpy.distutils                 no jobserver: a lease, NPY_NUM_BUILD_JOBS
setuptools, cython, nvcc        no jobserver, and no variable makes them parallel
==============================  =============================================================

A ninja counts as used if a build would find it and the build environment has a tool that calls it,
or CMAKE_GENERATOR names it. numpy.distutils counts as used with numpy and setuptools before Python
3.12, unless meson-python is there. ninja could use the jobserver for extensions of torch, but many
of them (flash-attn, vllm) count processors and pass ``-jN`` if MAX_JOBS is unset.

Threads within one compiler are not counted: ``nvcc --threads``, NVCC_THREADS, and the code
generation of rustc, which asks the jobserver by itself.

With a lease, MAX_JOBS, NPY_NUM_BUILD_JOBS and CARGO_BUILD_JOBS are set to k. Without one they are
unset: each becomes a ``-jN`` somewhere, which disables the jobserver. CMAKE_BUILD_PARALLEL_LEVEL is
set to k only if the old ninja is a build requirement: it is called by its path, past a shim. In
other cases it would disable the jobserver for a make that cmake calls.

The user's own value of these variables, and a ``-jN`` in MAKEFLAGS, is the most jobs of any one
build; all builds together keep to ``--jobs``. If the value were passed on instead, four builds with
MAX_JOBS=4 would run sixteen compilers. The other flags in MAKEFLAGS are passed on unchanged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "JOB_VARIABLES",
    "NINJA_JOBSERVER_VERSION",
    "job_flags",
    "user_job_limits",
    "uses_max_jobs",
    "uses_ninja",
    "uses_numpy_distutils",
]

JOB_VARIABLES = ("MAX_JOBS", "CMAKE_BUILD_PARALLEL_LEVEL", "NPY_NUM_BUILD_JOBS", "CARGO_BUILD_JOBS")
"""Variables with a number of jobs."""
NINJA_JOBSERVER_VERSION = (1, 13)
"""The first version of ninja that is a jobserver client."""

_NINJA_CALLERS = frozenset(
    ("ninja", "cmake", "scikit-build-core", "scikit-build", "meson-python", "meson", "torch")
)
_JOB_OPTIONS = re.compile(
    r"(?:^|(?<=\s))(?:-j\s*(\d*)|--jobs(?:=(\d+))?|--jobserver-(?:auth|fds)=\S+)(?=\s|$)"
)
_JOBSERVER_AUTH = re.compile(r"--jobserver-(?:auth|fds)=")


def uses_ninja(requirements: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    """Tell whether a build would call an available ninja.

    Args:
        requirements: the versions in the build environment, by canonical name.
        environ: the user's environment.
    """
    named = "ninja" in environ.get("CMAKE_GENERATOR", "").lower()
    return named or not _NINJA_CALLERS.isdisjoint(requirements)


def uses_max_jobs(requirements: Mapping[str, str]) -> bool:
    """Tell whether a build would use all processors if MAX_JOBS is unset.

    Args:
        requirements: the versions in the build environment, by canonical name.
    """
    return "torch" in requirements


def uses_numpy_distutils(requirements: Mapping[str, str], python: str) -> bool:
    """Tell whether a build may compile with numpy.distutils, which uses all processors.

    Args:
        requirements: the versions in the build environment, by canonical name.
        python: the version of the interpreter.
    """
    major, minor = python.split(".")[:2]
    old = (int(major), int(minor)) < (3, 12)
    return (
        old and {"numpy", "setuptools"} <= set(requirements) and "meson-python" not in requirements
    )


def user_job_limits(environ: Mapping[str, str]) -> dict[str, int]:
    """Return the numbers of jobs that the user has set, by variable; invalid ones are ignored."""
    values = {name: environ.get(name, "").strip() for name in JOB_VARIABLES}
    makeflags = environ.get("MAKEFLAGS", "")
    # With a jobserver, the number belongs to a make that runs wheelpool: its tokens count instead.
    if not _JOBSERVER_AUTH.search(makeflags):
        numbers = [one or other for one, other in _JOB_OPTIONS.findall(makeflags)]
        values["MAKEFLAGS"] = numbers[-1] if numbers else ""
    return {name: int(text) for name, text in values.items() if text.isdecimal() and int(text)}


def job_flags(
    environ: Mapping[str, str],
    *,
    fifo: Path,
    max_jobs: int,
    lease: int | None,
    called_by_path: bool = False,
    hides_fifo: bool = False,
) -> dict[str, str]:
    """Return an environment with the jobserver's variables and without those that disable it.

    Args:
        environ: the environment that the hook would inherit.
        fifo: the FIFO of the build.
        max_jobs: the most jobs that it may ever have at once.
        lease: jobs for tools without the jobserver protocol; None if the build has none.
        called_by_path: whether cmake may call such a tool by its path.
        hides_fifo: whether a make may be called that stops at a FIFO. It ignores words that follow
            ``--`` and define no variable; ninja and gcc look for the jobserver in all words.
    """
    inherited = {name: value for name, value in environ.items() if name not in JOB_VARIABLES}
    flags = f"-j{max_jobs} --jobserver-auth=fifo:{fifo}"
    make_flags = f"-- --jobserver-auth=fifo:{fifo}" if hides_fifo else flags
    names = [
        name for name in JOB_VARIABLES if called_by_path or name != "CMAKE_BUILD_PARALLEL_LEVEL"
    ]
    counts = {} if lease is None else dict.fromkeys(names, str(lease))
    return {
        **inherited,
        **counts,
        "MAKEFLAGS": _merge_makeflags(environ.get("MAKEFLAGS", ""), make_flags),
        "CARGO_MAKEFLAGS": flags,
        "WHEELPOOL_JOBSERVER": str(fifo),
    }


def _merge_makeflags(makeflags: str, jobserver: str) -> str:
    """Add the jobserver's flags after the user's, before the variables that follow ``--``.

    The first word of MAKEFLAGS is a group of short flags without a dash: an ``n`` in it is a dry
    run. If the user has set none, the first word is empty.
    """
    flags, dashes, variables = f"{makeflags} ".partition(" -- ")
    flags = _JOB_OPTIONS.sub("", flags).rstrip()
    if jobserver.startswith("-- "):
        dashes = " " if dashes else ""
    return f"{flags} {jobserver}{dashes}{variables}".rstrip()
