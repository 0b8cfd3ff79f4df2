"""Wheels of backends from the index are the same byte for byte, with warm hooks and with cold ones."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.public,
    pytest.mark.skipif(sys.platform != "linux", reason="templates need a subreaper"),
]

BUILD_SYSTEM = '[build-system]\nrequires = ["{requires}"]\nbuild-backend = "{backend}"\n'
PROJECT = '[project]\nname = "{name}"\nversion = "1.0"\ndescription = "A thing."\n'
POETRY = (
    '[tool.poetry]\nname = "{name}"\nversion = "1.0"\ndescription = "A thing."\n'
    'authors = ["A <a@example.org>"]\n[tool.poetry.dependencies]\npython = ">=3.9"\nidna = "^3"\n'
)
SOURCE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "part", 0, -1, 0};
PyMODINIT_FUNC PyInit_part(void) { return PyModule_Create(&module); }
"""
CMAKE = """
cmake_minimum_required(VERSION 3.18)
project(thing LANGUAGES C)
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
python_add_library(part MODULE part.c WITH_SOABI)
install(TARGETS part DESTINATION .)
"""
MESON = """
project('thing', 'c', version: '1.0')
py = import('python').find_installation(pure: false)
py.extension_module('part', 'part.c', install: true)
"""
TREES: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "poetry": ("poetry-core", "poetry.core.masonry.api", POETRY, {}),
    "pdm": ("pdm-backend", "pdm.backend", PROJECT, {}),
    "scikit": (
        "scikit-build-core",
        "scikit_build_core.build",
        PROJECT,
        {"CMakeLists.txt": CMAKE, "part.c": SOURCE},
    ),
    "meson": ("meson-python", "mesonpy", PROJECT, {"meson.build": MESON, "part.c": SOURCE}),
    "setuptools": ("setuptools", "setuptools.build_meta", PROJECT, {}),
    "flit": ("flit_core", "flit_core.buildapi", PROJECT, {}),
    "hatch": ("hatchling", "hatchling.build", PROJECT, {}),
    "scm": ('setuptools-scm", "setuptools', "setuptools.build_meta", PROJECT, {}),
    "vcs": ('hatchling", "hatch-vcs', "hatchling.build", PROJECT, {}),
}


def make_tree(folder: Path, name: str) -> Path:
    requires, backend, project, files = TREES[name]
    tree = folder / name
    for path, text in {
        "pyproject.toml": BUILD_SYSTEM.format(requires=requires, backend=backend)
        + project.format(name=name),
        f"{name}/__init__.py": '"""A thing."""\n',
        **files,
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    return tree


def test_wheels_of_all_known_backends_are_the_same(public: Sandbox) -> None:
    trees = [make_tree(public.root / "trees", name) for name in TREES]
    wheels = {}
    for flag in ("--no-warm", "--warm"):
        done = public.run(
            "build", *trees, "--copy", "--no-cache", flag, SOURCE_DATE_EPOCH="1700000000"
        )
        assert done.code == 0, done.err
        assert "template" not in done.err
        wheels[flag] = {file.name: file.read_bytes() for file in public.out.glob("*.whl")}
        shutil.rmtree(public.out)
    assert len(wheels["--warm"]) == len(TREES)
    assert wheels["--warm"].keys() == wheels["--no-warm"].keys()
    different = [
        name for name, data in wheels["--warm"].items() if data != wheels["--no-warm"][name]
    ]
    assert different == []
    assert list((public.root / "cache" / "wheelpool" / "templates").iterdir())
