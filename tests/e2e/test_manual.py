"""The README and the manual agree with the command line, and their commands work.

Each ``sh`` block runs in the order of its page, in a folder with the files that the pages name. A
comment ``<!-- not run: REASON -->`` before a block marks one that no test can run.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import venv
from typing import TYPE_CHECKING, NamedTuple

import pytest

from app.cli.reference import format_reference
from app.config.reference import format_options_table
from app.config.themes import THEMES
from tests.support.commands import COMMANDS, parameters_of
from tests.support.home import WHEELPOOL
from tests.support.makers import make_tree
from tests.support.paths import ROOT
from tests.support.sandbox import make_editable_tree, pack_sdist

if TYPE_CHECKING:
    from pathlib import Path

    import click

    from tests.support.sandbox import Sandbox

MANUAL = ROOT / "app" / "manual"
PAGES = {path.stem: path.read_text() for path in [ROOT / "README.md", *sorted(MANUAL.glob("*.md"))]}
WRITTEN = {name: text for name, text in PAGES.items() if name != "command-line"}
FLAG = re.compile(r"(?<![\w/-])--[a-z][a-z-]+|(?<=[\s`(])-[A-Za-z](?=[\s`,)])")
OTHER_PROGRAMS = {"--no-index", "--no-deps", "--dest", "--find-links", "--threads", "--wheel"}
PYLOCK = """\
lock-version = "1.0"
created-by = "test"
[[packages]]
name = "six"
version = "1.17.0"
[packages.sdist]
path = "downloads/six-1.17.0.tar.gz"
hashes = {sha256 = "%s"}
"""


class Block(NamedTuple):
    """Commands of a page."""

    reason: str
    """Why it is not run; empty if it is."""
    commands: str


def blocks(text: str) -> list[Block]:
    found = re.findall(r"(?:<!-- not run: (.*?) -->\n)?```sh\n(.*?)```", text, re.DOTALL)
    return [Block(*one) for one in found]


def flags(command: click.Command) -> set[str]:
    names = {"--help", "-h", "--version"}
    return names.union(*({*p.opts, *p.secondary_opts} for p in parameters_of(command)))


@pytest.fixture
def project(sandbox: Sandbox, backends: Path) -> Path:
    """The folder that the pages are about, and an index with the projects that they name."""
    links = shutil.copytree(backends, sandbox.root / "links")
    sandbox.environ["PIP_FIND_LINKS"] = str(links)
    folder = sandbox.root / "project"
    for name, version in ("six", "1.17.0"), ("attrs", "26.1.0"), ("idna", "3.11"):
        trees = sandbox.root / "trees"
        tree = make_tree(trees, name, version).rename(trees / name)
        archive = pack_sdist(folder / "downloads", tree, version)
        shutil.copy(archive, links)
    for name in "core", "plugin":
        make_editable_tree(folder, name).rename(folder / name)
    (folder / "requirements.txt").write_text("six\nattrs\n")
    (folder / "constraints.txt").write_text("six==1.17.0\n")
    digest = hashlib.sha256((folder / "downloads" / "six-1.17.0.tar.gz").read_bytes())
    (folder / "pylock.toml").write_text(PYLOCK % digest.hexdigest())
    venv.create(folder / ".venv", symlinks=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WRITTEN if blocks(WRITTEN[name])])
def test_commands_of_a_page_work(name: str, sandbox: Sandbox, project: Path) -> None:
    script = "\n".join(block.commands for block in blocks(WRITTEN[name]) if not block.reason)
    done = subprocess.run(
        ["bash", "-euxc", script],
        cwd=project,
        env=sandbox.environ | {"PATH": f"{WHEELPOOL.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_is_short_and_its_first_commands_are_those_of_a_fresh_machine() -> None:
    assert len(PAGES["README"].split()) <= 900
    first, second, *_ = blocks(PAGES["README"])
    assert ".venv/bin/wheelpool build" in first.commands
    assert ".venv/bin/pytest -m slow" in second.commands


def test_the_page_of_the_command_line_is_the_help_of_all_commands() -> None:
    assert PAGES["command-line"] == format_reference(), "print it with python -m app.cli.reference"


def test_the_table_of_options_is_that_of_the_code() -> None:
    table = format_options_table()
    assert table in PAGES["configuration"], "print it with python -m app.config.reference"


def test_the_readme_lists_all_pages() -> None:
    listed = re.findall(r"\(app/manual/(.*?)\.md\)", PAGES["README"])
    assert sorted(listed) == sorted(set(PAGES) - {"README"})


@pytest.mark.parametrize("name", WRITTEN)
def test_every_flag_in_commands_exists(name: str) -> None:
    lines = [line for block in blocks(WRITTEN[name]) for line in block.commands.splitlines()]
    for line in (line for line in lines if "wheelpool " in line):
        shown = re.sub(r"\s#\s.*", "", line.split("wheelpool ", 1)[1])
        match = re.match(r"(?:[a-z]+ ?)+", shown)
        assert match is not None
        words = match[0].strip()
        while words not in COMMANDS:
            words = words.rpartition(" ")[0]
        assert words, line
        assert set(FLAG.findall(f" {shown} ")) <= flags(COMMANDS[words]), line


@pytest.mark.parametrize("name", WRITTEN)
def test_every_flag_command_and_variable_that_is_named_exists(name: str) -> None:
    known = set().union(*map(flags, COMMANDS.values()))
    prose = re.sub(r"```.*?```", "", WRITTEN[name], flags=re.DOTALL)
    assert set(FLAG.findall(prose)) <= known | OTHER_PROGRAMS | {"-m"}
    for command in re.findall(r"`wheelpool ([a-z]+)", prose):
        assert command in COMMANDS, command
    for topic in re.findall(r"`wheelpool help ([a-z-]+)`", prose):
        assert topic in PAGES, topic
    variables = set(re.findall(r"WHEELPOOL_[A-Z_]+", format_options_table()))
    assert set(re.findall(r"WHEELPOOL_[A-Z_]*[A-Z]", prose)) <= variables


def test_themes_and_shells_are_named() -> None:
    assert all(f"`{theme}`" in PAGES["dashboard"].replace("--theme ", "") for theme in THEMES)
    for shell in "bash", "zsh", "fish":
        assert f"wheelpool completion {shell}" in PAGES["configuration"]
