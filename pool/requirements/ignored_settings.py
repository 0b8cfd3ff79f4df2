"""Settings of pip and uv that would change the result, and that have no effect here.

pip's configuration and uv's variables are read for indexes and requests, so a user can expect that
all of them count. A note at the start of a run names those that do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.requirements.pip_config import read_pip_files, read_pip_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["describe_ignored_settings"]

_PIP = frozenset(
    (
        *("abi", "all-releases", "build-constraint", "build-option", "config-settings", "editable"),
        *("force-reinstall", "global-option", "group", "ignore-installed", "implementation"),
        *("ignore-requires-python", "no-build-isolation", "no-compile", "no-deps", "only-final"),
        *("platform", "prefer-binary", "prefix", "python-version", "requirement", "root", "target"),
        *("upgrade", "upgrade-strategy", "uploaded-prior-to", "use-deprecated", "use-feature"),
        "user",
    )
)
_UV = frozenset(
    (
        *("UV_BUILD_CONSTRAINT", "UV_CONSTRAINT", "UV_EXCLUDE", "UV_EXCLUDE_NEWER"),
        *("UV_FORK_STRATEGY", "UV_INDEX_STRATEGY", "UV_NO_BINARY", "UV_NO_BINARY_PACKAGE"),
        *("UV_NO_BUILD", "UV_NO_BUILD_ISOLATION", "UV_NO_BUILD_PACKAGE", "UV_OFFLINE"),
        *("UV_OVERRIDE", "UV_PRERELEASE", "UV_REQUIRE_HASHES", "UV_RESOLUTION", "UV_TORCH_BACKEND"),
    )
)
_FALSE = ("", "0", "false", "no", "off", "f", "n")


def describe_ignored_settings(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence that names the settings without effect; none if there are none.

    Raises:
        SettingsError: a configuration file cannot be read.
    """
    names = sorted(set(_ignored(environ)))
    return (f"these settings of pip and uv have no effect: {', '.join(names)}",) if names else ()


def _ignored(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in read_pip_files(environ).items():
        if name in _PIP and _is_set(value):
            yield f"{name} (pip's configuration)"
    for name, value in read_pip_variables(environ).items():
        if name in _PIP and _is_set(value):
            yield f"PIP_{name.upper().replace('-', '_')}"
    yield from (name for name in _UV if _is_set(environ.get(name, "")))


def _is_set(value: str) -> bool:
    return value.strip().lower() not in _FALSE
