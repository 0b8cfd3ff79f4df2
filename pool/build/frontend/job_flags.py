"""What tells a build's tools how many jobs they may run: its environment variables.

Pure. Whether a tool speaks the jobserver's protocol decides:

==============================  =============================================================
make, gmake >= 4.4              by itself, through the FIFO
make, gmake < 4.4               through a shim first on PATH (`pool.build.frontend.tool_shims`)
ninja >= 1.13                   by itself; also when cmake or meson call it
cargo, rustc                    by themselves; cargo reads CARGO_MAKEFLAGS first
gcc -flto                       by itself; before gcc 13 through the make shim
ninja < 1.13                    not at all: a lease of k jobs, ``-jk`` by a shim
torch's extensions              not at all: a lease, MAX_JOBS
numpy.distutils                 not at all: a lease, NPY_NUM_BUILD_JOBS
setuptools, cython, nvcc        not at all, but nothing makes them parallel that we could set
==============================  =============================================================

A ninja counts as used if it would be found and something that calls it is in the build
environment, or CMAKE_GENERATOR asks for it. numpy.distutils is there with numpy and setuptools
before Python 3.12, where meson-python is not. Extensions of torch would let ninja speak, but many
(flash-attn, vllm) count processors and say ``-jN`` outright where MAX_JOBS is unset.

What is not counted: threads within one compiler. ``nvcc --threads``, NVCC_THREADS and rustc's
own codegen are such; rustc asks the jobserver for its.

With a lease MAX_JOBS, NPY_NUM_BUILD_JOBS and CARGO_BUILD_JOBS say k. Without one they are unset:
each becomes a ``-jN`` somewhere, and that switches the jobserver off. CMAKE_BUILD_PARALLEL_LEVEL
says k only where the old ninja is one of the build requirements, which is called by its path, past
a shim: otherwise it would switch off the jobserver for a make that cmake calls.

A user's own value of these, and a ``-jN`` in MAKEFLAGS, is the most jobs of any one build; all
builds together keep to ``--jobs``. So both hold, which a value handed on would not: four builds
with MAX_JOBS=4 each are sixteen compilers. The rest of MAKEFLAGS goes on to make as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "COUNTS",
    "NINJA_SPEAKS",
    "job_flags",
    "own_bounds",
    "uses_max_jobs",
    "uses_ninja",
    "uses_numpy_distutils",
]

COUNTS = ("MAX_JOBS", "CMAKE_BUILD_PARALLEL_LEVEL", "NPY_NUM_BUILD_JOBS", "CARGO_BUILD_JOBS")
"""Variables that hold a number of jobs."""
NINJA_SPEAKS = (1, 13)
"""The first version of ninja that is a client of a jobserver."""

_NINJA_CALLERS = frozenset(
    ("ninja", "cmake", "scikit-build-core", "scikit-build", "meson-python", "meson", "torch")
)
_JOBS = re.compile(
    r"(?:^|(?<=\s))(?:-j\s*(\d*)|--jobs(?:=(\d+))?|--jobserver-(?:auth|fds)=\S+)(?=\s|$)"
)
_AUTH = re.compile(r"--jobserver-(?:auth|fds)=")


def uses_ninja(requirements: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    """Tell whether a build would call ninja, if one is there.

    Args:
        requirements: what the build environment has, by canonical name.
        environ: the user's.
    """
    asked = "ninja" in environ.get("CMAKE_GENERATOR", "").lower()
    return asked or not _NINJA_CALLERS.isdisjoint(requirements)


def uses_max_jobs(requirements: Mapping[str, str]) -> bool:
    """Tell whether a build would count processors where MAX_JOBS is unset.

    Args:
        requirements: what the build environment has, by canonical name.
    """
    return "torch" in requirements


def uses_numpy_distutils(requirements: Mapping[str, str], python: str) -> bool:
    """Tell whether numpy.distutils may compile, which takes every processor by itself.

    Args:
        requirements: what the build environment has, by canonical name.
        python: the version of its interpreter.
    """
    major, minor = python.split(".")[:2]
    old = (int(major), int(minor)) < (3, 12)
    return (
        old and {"numpy", "setuptools"} <= set(requirements) and "meson-python" not in requirements
    )


def own_bounds(environ: Mapping[str, str]) -> dict[str, int]:
    """Return what the user has said of jobs, by variable; what is no number from 1 says nothing."""
    said = {name: environ.get(name, "").strip() for name in COUNTS}
    makeflags = environ.get("MAKEFLAGS", "")
    # Beside a jobserver's name the number is that of the make that runs us: its tokens count.
    if not _AUTH.search(makeflags):
        numbers = [one or other for one, other in _JOBS.findall(makeflags)]
        said["MAKEFLAGS"] = numbers[-1] if numbers else ""
    return {name: int(text) for name, text in said.items() if text.isdecimal() and int(text)}


def job_flags(
    environ: Mapping[str, str], *, fifo: Path, most: int, lease: int | None, by_path: bool = False
) -> dict[str, str]:
    """Return an environment with the variables of the jobserver, and without what defeats it.

    Args:
        environ: what the hook would inherit.
        fifo: the build's own.
        most: jobs that it may ever have at once.
        lease: jobs for tools that know no jobserver; None where there are none such.
        by_path: whether cmake may call such a one by its path.
    """
    kept = {name: value for name, value in environ.items() if name not in COUNTS}
    ours = f"-j{most} --jobserver-auth=fifo:{fifo}"
    told = [name for name in COUNTS if by_path or name != "CMAKE_BUILD_PARALLEL_LEVEL"]
    counts = {} if lease is None else dict.fromkeys(told, str(lease))
    return {
        **kept,
        **counts,
        "MAKEFLAGS": _with(environ.get("MAKEFLAGS", ""), ours),
        "CARGO_MAKEFLAGS": ours,
        "WHEELPOOL_JOBSERVER": str(fifo),
    }


def _with(makeflags: str, ours: str) -> str:
    """Put our flags behind the user's, before the variables that follow ``--``.

    The first word may be letters without a dash, so that an ``n`` in it is a dry run: where there
    is none of the user's, it is empty.
    """
    flags, dashes, variables = f"{makeflags} ".partition(" -- ")
    flags = _JOBS.sub("", flags).rstrip()
    return f"{flags} {ours}{dashes}{variables}".rstrip()
