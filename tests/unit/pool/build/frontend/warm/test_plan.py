"""Which builds may use a template, decided from the wheels of their environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from pool.build.frontend.build_env import BuildEnvironment
from pool.build.frontend.warm.plan import WarmPlan, plan_warm_hook
from pool.cache.unpacked_wheels import UnpackedWheel
from pool.system.interpreter import Interpreter

FLIT = "flit_core.buildapi"


def wheel(name: str, *files: str, requires: tuple[str, ...] = ()) -> UnpackedWheel:
    folders = {
        "/".join(file.split("/")[:depth])
        for file in files
        for depth in range(1, file.count("/") + 1)
    }
    lines = [f"Requires-Dist: {text}" for text in requires]
    return UnpackedWheel(
        name=name,
        version="1",
        metadata="\n".join(
            ["Metadata-Version: 2.1", f"Name: {name}", *lines, "", "Requires-Dist: x"]
        ),
        entry_points=(),
        folders=tuple(sorted(folders)),
        files=dict.fromkeys(files, (1, 1)),
        path=Path("/store", name),
    )


FLIT_CORE = wheel("flit_core", "purelib/flit_core/__init__.py", "purelib/flit_core/buildapi.py")
SETUPTOOLS = wheel(
    "setuptools",
    "purelib/setuptools/__init__.py",
    "purelib/setuptools/build_meta.py",
    "purelib/setuptools/_vendor/wheel/__init__.py",
    "purelib/setuptools/_vendor/typing_extensions.py",
    "purelib/distutils-precedence.pth",
)


def plan(
    backend: str, *wheels: UnpackedWheel, cache_tag: str = "cpython-311", path: tuple[str, ...] = ()
) -> WarmPlan | None:
    interpreter = Interpreter(
        version="3.11.1",
        executable=Path("/usr/bin/python3"),
        cache_tag=cache_tag,
        magic="",
        tag_names=(),
        environment={},
        site="lib/python3.11/site-packages",
    )
    env = BuildEnvironment(path=Path("/env"), interpreter=interpreter, wheels=wheels)
    return plan_warm_hook(env, backend, path)


def names(found: WarmPlan | None) -> list[str]:
    assert found is not None
    return [one.name for one in found.wheels]


def test_plan_of_a_backend_has_its_wheel_and_not_those_beside_it() -> None:
    found = plan(FLIT, wheel("other", "purelib/other.py"), FLIT_CORE)
    assert names(found) == ["flit_core"]
    assert found is not None
    assert found.other_names == {"other"}
    assert list(found.roots) == ["/store/flit_core/purelib"]


def test_plan_has_the_requirements_of_a_backend_and_their_requirements() -> None:
    backend = wheel("hatchling", "purelib/hatchling/build.py", requires=("B.b>=1; x == 'y'",))
    second = wheel("b-b", "purelib/b.py", requires=("c",))
    assert names(plan("hatchling.build", backend, second, wheel("c", "platlib/c.so"))) == [
        "hatchling",
        "b-b",
        "c",
    ]


def test_plan_of_setuptools_has_replacements_of_its_copies() -> None:
    beside = (wheel("wheel", "purelib/wheel/__init__.py"), wheel("x", "purelib/x.py"))
    single = wheel("typing-extensions", "purelib/typing_extensions.py")
    found = plan("setuptools.build_meta:__legacy__", SETUPTOOLS, *beside, single)
    assert names(found) == ["setuptools", "wheel", "typing-extensions"]


@pytest.mark.parametrize(
    "found",
    [
        plan("inline_backend", wheel("inline", "purelib/inline_backend.py")),
        plan(FLIT),
        plan(FLIT, wheel("other", "purelib/other.py")),
        plan(FLIT, FLIT_CORE, path=("here",)),
        plan(FLIT, FLIT_CORE, cache_tag="pypy39"),
        plan(FLIT, FLIT_CORE, wheel("custom", "purelib/sitecustomize.py")),
        plan(FLIT, FLIT_CORE, wheel("lines", "purelib/lines.pth")),
        plan("hatchling.build", wheel("hatchling", "purelib/hatchling/build.py", requires=("b",)),
             wheel("b", "purelib/hatchling/b.py")),
    ],
    ids=[
        "unknown backend", "unknown wheels", "no wheel of the backend", "backend of the tree",
        "other implementation", "module of the start", "lines of the start", "shared package",
    ],
)  # fmt: skip
def test_plan_of_a_build_that_does_not_fit_is_none(found: WarmPlan | None) -> None:
    assert found is None
