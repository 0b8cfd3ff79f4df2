"""README and command line say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from app.cli.root import root
from app.config.reference import options_table
from app.config.themes import THEMES
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()
REFERENCE = README.split("\n## Commands\n")[1].split("\n## ")[0]
OURS = re.compile(r"(?<![\w/-])--[a-z][a-z-]+|(?<=[\s`(])-[A-Za-z](?=[\s`,)])")
OTHERS = {"--no-index", "--find-links"}
"""Flags of pip that are named as such; wheelpool has them, too."""


def commands(
    command: click.Command, words: str = "wheelpool"
) -> Iterator[tuple[str, click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, f"{words} {name}")


ALL = dict(commands(root))


def flags(command: click.Command) -> set[str]:
    context = click.Context(command, help_option_names=["-h", "--help"])
    params = command.get_params(context)
    return {"--help", "-h", "--version"}.union(*({*p.opts, *p.secondary_opts} for p in params))


def test_every_command_has_its_place_in_the_reference() -> None:
    titles = " ".join(re.findall(r"^### (.*)$", REFERENCE, re.MULTILINE))
    for words in ALL:
        if words.count(" ") == 1 and words != "wheelpool cache":
            assert f"`{words}" in titles, words
        else:
            assert words in REFERENCE, words


@pytest.mark.parametrize("section", re.split(r"\n### ", REFERENCE)[1:])
def test_flags_of_a_command_are_its_own(section: str) -> None:
    title, _, text = section.partition("\n")
    named = [
        ALL[words] for words in re.findall(r"`(wheelpool [a-z]+(?: (?:dir|info|prune))?)", title)
    ]
    known = {flag for command in named or ALL.values() for flag in flags(command)}
    known |= {
        flag for name in re.findall(r"wheelpool runs export", text) for flag in flags(ALL[name])
    }
    if title.startswith("`wheelpool limit"):
        assert "--run" in known
    assert set(OURS.findall(text)) <= known


def test_every_flag_in_commands_of_the_readme_exists() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if "wheelpool " in line]
    assert len(lines) > 20
    for line in lines:
        told = re.sub(r"\s#\s.*", "", line.split("wheelpool ", 1)[1])
        words = re.match(r"(?:[a-z]+ ?)+", told)
        assert words is not None
        named = "wheelpool " + words[0].strip()
        while named not in ALL:
            named = named.rpartition(" ")[0]
        assert named != "wheelpool", line
        assert set(OURS.findall(f" {told} ")) <= flags(ALL[named]), line


def test_the_table_of_options_is_that_of_the_code() -> None:
    assert options_table() in README, "print it with python -m app.config.reference"


def test_tables_name_only_flags_that_there_are() -> None:
    known = set().union(*map(flags, ALL.values()))
    rows = re.findall(r"^\| `(-.*?)\|", README, re.MULTILINE)
    assert len(rows) > 15
    for row in rows:
        assert set(re.findall(r"--[a-z][a-z-]+", row)) <= known, row


def test_every_command_named_anywhere_exists() -> None:
    for name in re.findall(r"`wheelpool ([a-z]+)", README):
        assert name in root.commands, name


def test_themes_and_variables_are_told() -> None:
    assert all(f"`{theme}`" in REFERENCE or f"--theme {theme}" in REFERENCE for theme in THEMES)
    for shell in "bash", "zsh", "fish":
        assert f"wheelpool completion {shell}" in REFERENCE
