"""Commands load the packages that they use, and do not wait for others."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.home import Home
from tests.support.makers import make_sdist, make_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.index_server import Server

SCREENS = {"rich", "textual", "app.tui"}
HTTP = {"httpx", "http.client", "urllib.request", "pool.sources.index.client"}
RESOLVER = {"resolvelib", "pool.resolve.resolver", "packaging.pylock"}
PROCESSES = {
    "psutil", "pyproject_hooks", "pool.system.process", "pool.build.frontend.hooks",
    "pool.build.backend", "pool.scheduling.jobserver",
}  # fmt: skip
DIAGNOSIS = {"pool.build.diagnosis"}
SOURCES = {"pool.sources.git", "pool.sources.archives.archive", "tarfile"}
INSTALLATION = {"installer", "pool.install", "pool.cache.unpacked_wheels"}
ENGINE = {"asyncio", "pool.engine", "pool.run", "pool.build", "sqlite3"}
STANDARD = {
    "asyncio", "dataclasses", "email", "inspect", "logging", "sqlite3", "ssl", "statistics",
    "subprocess", "tarfile", "tempfile", "threading", "zipfile",
}  # fmt: skip
"""Modules of Python that take longer to import than a cached build takes."""
LIBRARIES = {"click", "packaging", "pip", "platformdirs", "typing_extensions"}
NEVER_CACHED = {*SCREENS, *HTTP, *RESOLVER, *PROCESSES, *DIAGNOSIS, *SOURCES, *INSTALLATION}
MAIN = """
import atexit, sys
atexit.register(lambda: print("LOADED", *sys.modules, file=sys.stderr))
from app.cli.main import main
sys.argv = ["wheelpool", *sys.argv[1:]]
main()
"""


def load(home: Home, *words: str) -> set[str]:
    """Run a command in an interpreter of its own; return the modules that it has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *words],
        cwd=home.root, env=home.environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("LOADED ")]
    return set(lines[-1].split()[1:])


def among(loaded: Iterable[str], packages: Iterable[str]) -> list[str]:
    """Return the loaded modules that are one of the packages or in one of them."""
    prefixes = tuple(f"{package}." for package in packages)
    return sorted(name for name in loaded if f"{name}.".startswith(prefixes))


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_a_question_to_the_command_line_loads_no_engine(home: Home, flag: str) -> None:
    assert among(load(home, flag), {*NEVER_CACHED, *ENGINE}) == []


@pytest.fixture
def index(home: Home, server: Server) -> None:
    """An index with the wheel of a build requirement."""
    wheel = make_wheel(server.root / "needed", "needed")
    link = f"{wheel.name}#sha256={hashlib.sha256(wheel.read_bytes()).hexdigest()}"
    (wheel.parent / "index.html").write_text(f'<a href="{link}">{wheel.name}</a>')
    del home.environ["PIP_NO_INDEX"]
    home.environ |= {"WHEELPOOL_INDEX_URL": server.url, "NO_PROXY": "127.0.0.1"}


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("kind", ["tree", "tree with a requirement", "sdist"])
def test_a_cached_build_loads_no_engine_and_little_else(home: Home, kind: str) -> None:
    requires = ["needed"] if "requirement" in kind else []
    make = make_sdist if kind == "sdist" else make_tree
    source = str(make(home.root, "liba", build_requires=requires))
    build = ("build", source, "--no-ui", "-o", str(home.root / "wheels"))
    load(home, *build)
    unused = {*NEVER_CACHED, *ENGINE, *STANDARD, *LIBRARIES} - {
        "pool.engine",
        "pool.run",
        "pool.build",
    }
    unused |= {"pool.engine.pool", "pool.run.run", "pool.run.scheduler", "pool.build.pipeline"}
    assert among(load(home, *build), unused) == []


@pytest.mark.usefixtures("index")
def test_a_cached_build_of_a_name_loads_no_engine(home: Home, server: Server) -> None:
    sdist = make_sdist(server.root / "liba", "liba", build_requires=["needed"])
    link = f"{sdist.name}#sha256={hashlib.sha256(sdist.read_bytes()).hexdigest()}"
    (sdist.parent / "index.html").write_text(f'<a href="{link}">{sdist.name}</a>')
    build = ("build", "liba==1.0", "--no-ui", "-o", str(home.root / "wheels"))
    load(home, *build)
    loaded = load(home, *build)
    # The rules for names are `packaging`'s, and the plain parts of the engine.
    unused = {*NEVER_CACHED, "asyncio", "sqlite3", "click", "pool.engine.pool", "pool.run.run"}
    assert among(loaded, unused) == []


def test_a_cached_build_with_other_options_loads_nothing_that_builds(home: Home) -> None:
    tree = str(home.tree("liba"))
    build = ("build", tree, "--no-ui", "--refresh", "other", "-o", str(home.root / "wheels"))
    load(home, *build)
    # The first run after a build reads the history, and leaves its rows for later runs.
    load(home, *build)
    assert among(load(home, *build), {*NEVER_CACHED, "sqlite3", "statistics"}) == []


@pytest.mark.parametrize("words", [("completion", "bash"), ("doctor", "--json"), ("cache", "dir")])
def test_commands_about_the_system_load_no_runs(home: Home, words: tuple[str, ...]) -> None:
    unused = {*SCREENS, "httpx", "http.client", *RESOLVER, *DIAGNOSIS, *INSTALLATION, "sqlite3"}
    assert among(load(home, *words), {*unused, "pool.run.run", "pool.engine.pool"}) == []


def test_a_fresh_build_of_a_tree_loads_no_http_and_no_installation(home: Home) -> None:
    loaded = load(home, "build", str(home.tree("liba")), "--no-ui", "-o", str(home.root / "wheels"))
    unused = {*SCREENS, "pool.install.transaction", "packaging.pylock", "pool.sources.git"}
    assert among(loaded, {*unused, *HTTP, *RESOLVER}) == []


def test_commands_about_saved_runs_load_no_engine(home: Home) -> None:
    log = str(home.root / "run.jsonl")
    load(home, "build", str(home.tree("liba")), "--no-ui", "--log", log)
    unused = {*SCREENS, *HTTP, *RESOLVER, *INSTALLATION, "pool.engine", "pool.run.run"}
    for words in (["runs"], ["replay", log, "--no-ui"], ["report", log]):
        assert among(load(home, *words), unused) == [], words
