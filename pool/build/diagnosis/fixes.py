"""Fixes that this user can carry out, by the kind of source.

The user of a tree can edit it, so its file is named. An sdist from the index is not edited by its
user: another release, or an environment that the user prepares (--no-build-isolation), are ways
out. A function here returns a `Fix`, which is called with what the log names, and the context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.build.diagnosis.system_packages import (
    fix_for_header,
    fix_for_library,
    fix_for_pkgconfig,
    fix_for_program,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pool.build.diagnosis.cause import Fix
    from pool.build.diagnosis.fix_context import FixContext

__all__ = [
    "add_requirement",
    "by_source",
    "first_of",
    "fix_for_module",
    "hold_requirement",
    "install_header",
    "install_library",
    "install_pkgconfig",
    "install_program",
    "newer_release",
    "older_python",
    "required_for",
    "text",
]

_MODULES = {
    "Cython": "cython", "pkg_resources": "setuptools<81", "distutils": "setuptools",
    "yaml": "pyyaml", "skbuild": "scikit-build", "scikit_build_core": "scikit-build-core",
    "setuptools_scm": "setuptools-scm", "setuptools_rust": "setuptools-rust",
    "mesonpy": "meson-python", "poetry": "poetry-core", "hatch_vcs": "hatch-vcs",
    "flit_core": "flit-core", "pdm": "pdm-backend", "attr": "attrs", "PIL": "pillow",
    "dateutil": "python-dateutil", "sklearn": "scikit-learn", "cv2": "opencv-python",
    "git": "gitpython", "bs4": "beautifulsoup4", "google": "protobuf", "sipbuild": "sip",
    "pyqtbuild": "pyqt-builder", "pkgconfig": "pkgconfig", "Crypto": "pycryptodome",
    "extension_helpers": "extension-helpers", "jupyter_packaging": "jupyter-packaging",
}  # fmt: skip
"""Modules whose distribution has another name than the module."""


def required_for(module: str) -> str:
    """Return the build requirement that most likely has a Python module."""
    top = module.partition(".")[0]
    return _MODULES.get(top) or top.lower().replace("_", "-")


def text(template: str) -> Fix:
    """Return the same fix for every source; groups and fields of the context in braces."""
    return lambda found, context: _filled(template, found, context)


def by_source(*, tree: str = "", index: str = "", other: str = "", not_isolated: str = "") -> Fix:
    """Return a fix by the kind of source, as templates.

    Args:
        tree: for a folder of the user's, which can be edited.
        index: for a file from an index, whose release can be chosen.
        other: for archives, git and unknown sources; by default as for a tree.
        not_isolated: for builds with --no-build-isolation, in place of the others if not empty.
    """

    def fix(found: Mapping[str, str], context: FixContext) -> str:
        templates = {"tree": tree, "index": index}
        template = templates.get(context.source, other or tree)
        if not_isolated and not context.isolated:
            template = not_isolated
        return _filled(template, found, context)

    return fix


def _filled(template: str, found: Mapping[str, str], context: FixContext) -> str:
    values = {
        "name": context.name or "the project",
        "release": f"{context.name} {context.version}".strip() or "this version",
        "newer": _newer(context),
        "number": context.version or "VERSION",
        "tree": context.tree or "the source tree",
        "pyproject": context.pyproject,
        "python": f"Python {context.python}" if context.python else "this Python",
    }
    return template.format_map({**values, **found})


def _newer(context: FixContext) -> str:
    """Return the words for another release of the project."""
    if not context.name:
        return "a newer version"
    after = f" after {context.version}" if context.version else ""
    return f"a release of {context.name}{after}"


def first_of(*fixes: Fix) -> Fix:
    """Return the first fix that has advice."""

    def fix(found: Mapping[str, str], context: FixContext) -> str:
        return next((advice for one in fixes if (advice := one(found, context))), "")

    return fix


def _install(lookup: Callable[[str, FixContext], str], group: str) -> Fix:
    return lambda found, context: lookup(found.get(group, group), context)


def install_header(group: str) -> Fix:
    """Install the package of a header: the name of a group, or of the header itself."""
    return _install(fix_for_header, group)


def install_library(group: str) -> Fix:
    """Install the package of a library, named as for ``-l``."""
    return _install(fix_for_library, group)


def install_pkgconfig(group: str) -> Fix:
    """Install the package of a dependency of pkg-config, meson or CMake."""
    return _install(fix_for_pkgconfig, group)


def install_program(group: str) -> Fix:
    """Install the package of a program."""
    return _install(fix_for_program, group)


def add_requirement(requirement: str) -> Fix:
    """Add what the project needs for its build and does not require."""
    return _require(requirement, f"add {requirement} to [build-system] requires in")


def hold_requirement(requirement: str) -> Fix:
    """Keep a build requirement below a version."""
    return _require(f"'{requirement}'", f"write '{requirement}' into [build-system] requires in")


def _require(requirement: str, change: str) -> Fix:
    """Return how to build with a requirement; ``change`` is completed by a pyproject.toml."""
    return by_source(
        tree=f"{change} {{pyproject}}",
        index=f"try {{newer}}; or install {requirement} and its other build requirements,"
        " then use --no-build-isolation-package {name}",
        other=f"{change} its pyproject.toml",
        not_isolated=f"install {requirement} into the environment that builds",
    )


def fix_for_module(found: Mapping[str, str], context: FixContext) -> str:
    """Add the build requirement that has the ``module`` of the pattern."""
    requirement = required_for(found["module"])
    choose = hold_requirement if "<" in requirement else add_requirement
    return choose(requirement)(found, context)


def newer_release(*, tree: str, index: str = "") -> Fix:
    """Take another release from an index; edit a tree.

    Args:
        tree: what to change.
        index: an alternative to another release.
    """
    return by_source(tree=tree, index="; or ".join(filter(None, ("try {newer}", index))))


def older_python(*, tree: str) -> Fix:
    """Build with an older interpreter; or take a release for this one, or edit the tree."""
    return by_source(
        tree=f"{tree}; or build with --python and an older Python",
        index="try {newer}; or build with --python and an older Python",
    )
