"""wheelpool.toml and variables: wrong types, unknown keys, empty values, files that are none."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from tests.corpus.case import Case, Expected, built, refused
from tests.support.makers import make_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = "t-1.0-py3-none-any.whl"
CONFIG = (("XDG_CONFIG_HOME", "{folder}/config"),)


def _build(folder: Path) -> list[str]:
    return ["build", make_wheel(folder, "t").name]


def _file(content: str | bytes) -> Callable[[Path], list[str]]:
    """Return a maker of a configuration file, and of a wheel."""

    def make(folder: Path) -> list[str]:
        _path(folder).write_bytes(content.encode() if isinstance(content, str) else content)
        return _build(folder)

    return make


def _path(folder: Path) -> Path:
    path = folder / "config" / "wheelpool" / "wheelpool.toml"
    path.parent.mkdir(parents=True)
    return path


def _pipe(folder: Path) -> list[str]:
    os.mkfifo(_path(folder))
    return _build(folder)


def _directory(folder: Path) -> list[str]:
    _path(folder).mkdir()
    return _build(folder)


def _link_to_nothing(folder: Path) -> list[str]:
    _path(folder).symlink_to("nowhere")
    return _build(folder)


def _name_device(folder: Path, words: tuple[str, ...]) -> list[str]:
    return ["build", str(make_tree(folder, "a")), *words]


def _device(folder: Path) -> list[str]:
    _path(folder).symlink_to("/dev/zero")
    return _build(folder)


BUILT = built(T)
FILES: dict[str, tuple[str | bytes, Expected]] = {
    "empty": ("", BUILT),
    "comments": ("# nothing\n", BUILT),
    "carriage-returns": ("builds = 2\r\njobs = 1\r\n", BUILT),
    "plain": ('builds = 2\nmemory = "1G"\ncopy = true\nlock-timeout = 1.5\n', BUILT),
    "unknown-key": ("jobs = 1\nbuidls = 2\n", refused("wheelpool.toml:2: unknown key buidls")),
    "unknown-key-with-escape": ('"a\\u001b[31m" = 2\n', refused("unknown key a")),
    "unknown-table": ("[tool.wheelpool]\nbuilds = 2\n", refused(":1: unknown key tool")),
    "key-with-underscore": ("out_dir = 'x'\n", refused(":1: unknown key out_dir")),
    "key-twice": ("builds = 2\nbuilds = 3\n", refused("not valid TOML", "line 2")),
    "not-toml": ("builds 2\n", refused("not valid TOML", "line 1")),
    "not-utf-8": (b"out-dir = '\xff'\n", refused("wheelpool.toml: ")),
    "utf-16": ("builds = 2\n".encode("utf-16"), refused("wheelpool.toml: ")),
    "byte-order-mark": ("\ufeffbuilds = 2\n", BUILT),
    "nul": ("builds = 2\n\0", refused("not valid TOML")),
    "nested": (f"jobs = {'[' * 5000}", refused("wheelpool.toml: ")),
    "long-number": (f"jobs = {'9' * 5000}\n", refused("wheelpool.toml: ")),
    "number-as-text": ("builds = '2'\n", refused(":1: builds: expected int, got str")),
    "fraction": ("builds = 1.5\n", refused(":1: builds: expected int, got float")),
    "boolean-for-a-number": ("builds = true\n", refused(":1: builds: expected int, got bool")),
    "number-0": ("builds = 0\n", refused("builds in wheelpool.toml: '0' is not an integer")),
    "number-negative": ("jobs = -1\n", refused("jobs in wheelpool.toml")),
    "number-too-large": ("builds = 100000\n", refused("builds in wheelpool.toml")),
    "text-for-a-boolean": ("copy = 'yes'\n", refused(":1: copy: expected bool, got str")),
    "text-for-a-list": ("find-links = 'x'\n", refused(":1: find-links: expected array, got str")),
    "list-of-numbers": ("find-links = [1]\n", refused(":1: find-links[0]: expected str, got int")),
    "size-of-words": ("memory = 'lots'\n", refused("memory in wheelpool.toml")),
    "size-empty": ("memory = ''\n", refused("memory in wheelpool.toml")),
    "size-negative": ("memory = -1\n", refused("memory in wheelpool.toml")),
    "size-huge": ("memory = '9999999999999999999999T'\n", refused("memory in wheelpool.toml")),
    "seconds-infinite": ("lock-timeout = inf\n", refused("lock-timeout in wheelpool.toml")),
    "seconds-not-a-number": ("lock-timeout = nan\n", refused("lock-timeout in wheelpool.toml")),
    "date": ("lock-timeout = 2026-01-01\n", refused(":1: lock-timeout: expected float")),
    "theme-unknown": ("theme = 'pink'\n", refused("theme in wheelpool.toml: 'pink' is not one of")),
    "python-missing": ("python = 'nowhere/python'\n", refused("nowhere/python")),
    "path-empty": ("python = ''\n", refused("python in wheelpool.toml: the path is empty")),
    "setting-a-number": ("[config-settings]\na = 1\n", refused(":1: config-settings[...]: ")),
    "setting-nested": ("[config-settings.a]\nb = 'x'\n", refused(":1: config-settings[...]: ")),
}
VARIABLES: dict[str, tuple[str, str, Expected]] = {
    "builds-empty": ("WHEELPOOL_CONCURRENT_BUILDS", "", BUILT),
    "builds-blank": ("WHEELPOOL_CONCURRENT_BUILDS", " ", BUILT),
    "builds-with-spaces": ("WHEELPOOL_CONCURRENT_BUILDS", " 2 ", BUILT),
    "builds-of-words": (
        "WHEELPOOL_CONCURRENT_BUILDS",
        "x",
        refused("WHEELPOOL_CONCURRENT_BUILDS: 'x'"),
    ),
    "builds-of-uv": ("UV_CONCURRENT_BUILDS", "0", refused("UV_CONCURRENT_BUILDS: '0'")),
    "builds-long": (
        "WHEELPOOL_CONCURRENT_BUILDS",
        "9" * 5000,
        refused("WHEELPOOL_CONCURRENT_BUILDS"),
    ),
    "jobs-with-escape": ("WHEELPOOL_JOBS", "\x1b[31m", refused("WHEELPOOL_JOBS")),
    "jobs-in-other-digits": ("WHEELPOOL_JOBS", "٢", BUILT),
    "memory-of-words": ("WHEELPOOL_MEMORY", "lots", refused("WHEELPOOL_MEMORY: ")),
    "memory-too-many-percent": ("WHEELPOOL_MEMORY", "500%", refused("WHEELPOOL_MEMORY: ")),
    "copy-of-words": (
        "WHEELPOOL_COPY",
        "perhaps",
        refused("WHEELPOOL_COPY: 'perhaps' is not a bool"),
    ),
    "copy-empty": ("WHEELPOOL_COPY", "", BUILT),
    "timeout-of-words": (
        "WHEELPOOL_LOCK_TIMEOUT",
        "soon",
        refused("WHEELPOOL_LOCK_TIMEOUT: 'soon'"),
    ),
    "retries-negative": ("WHEELPOOL_RETRIES", "-1", refused("WHEELPOOL_RETRIES: '-1'")),
    "setting-without-value": (
        "WHEELPOOL_CONFIG_SETTINGS",
        "x",
        refused("WHEELPOOL_CONFIG_SETTINGS"),
    ),
    "python-a-folder": ("WHEELPOOL_PYTHON", ".", refused("it is a directory")),
    "python-unknown": ("WHEELPOOL_PYTHON", "python-of-nowhere", refused("python-of-nowhere")),
    "cache-in-a-file": ("XDG_CACHE_HOME", "/dev/null", refused("set XDG_CACHE_HOME to")),
    "cache-that-is-relative": ("XDG_CACHE_HOME", "x", BUILT),
    "state-in-a-file": ("XDG_STATE_HOME", "/dev/null", refused("set XDG_STATE_HOME to")),
    "configuration-in-a-file": ("XDG_CONFIG_HOME", "/dev/null", refused("not a directory")),
    "configuration-missing": ("XDG_CONFIG_HOME", "{folder}/nowhere", BUILT),
    "temporary-folder-in-a-file": ("TMPDIR", "/dev/null", BUILT),
    "temporary-folder-missing": ("TMPDIR", "{folder}/nowhere", BUILT),
    "home-empty": ("HOME", "", BUILT),
    "columns-of-words": ("COLUMNS", "wide", BUILT),
    "source-date-of-words": ("SOURCE_DATE_EPOCH", "now", BUILT),
    "language-unknown": ("LC_ALL", "xx_YY.utf-99", BUILT),
}

CASES = [
    *(
        Case(f"wheelpool-toml-{name}", "E2", _file(content), expected, CONFIG)
        for name, (content, expected) in FILES.items()
    ),
    *(
        Case(f"variable-{name}", "E2", _build, expected, ((variable, value),))
        for name, (variable, value, expected) in VARIABLES.items()
    ),
    Case("wheelpool-toml-pipe", "E6", _pipe, refused("not a regular file"), CONFIG),
    Case("wheelpool-toml-device", "E6", _device, refused("not a regular file"), CONFIG),
    *(
        Case(
            f"endless-{name}",
            "E6",
            partial(_name_device, words=words),
            refused("more than"),
            environ,
        )
        for name, (words, environ) in {
            "requirements": (("-r", "/dev/zero"), ()),
            "constraints": (("-c", "/dev/zero"), ()),
            "lock": (("--pylock", "/dev/zero"), ()),
            "pip-conf": ((), (("PIP_CONFIG_FILE", "/dev/zero"),)),
        }.items()
    ),
    Case("wheelpool-toml-directory", "E6", _directory, refused("not a regular file"), CONFIG),
    Case("wheelpool-toml-link-to-nothing", "E6", _link_to_nothing, BUILT, CONFIG),
]
