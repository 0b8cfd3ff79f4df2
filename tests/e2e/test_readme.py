"""The README and the command line agree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.config.reference import format_options_table
from app.config.themes import THEMES
from tests.support.commands import COMMANDS, parameters_of
from tests.support.paths import ROOT

if TYPE_CHECKING:
    import click

README = (ROOT / "README.md").read_text()
REFERENCE = README.split("\n## Commands\n")[1].split("\n## ")[0]
FLAG = re.compile(r"(?<![\w/-])--[a-z][a-z-]+|(?<=[\s`(])-[A-Za-z](?=[\s`,)])")
SUBCOMMANDS = re.compile(r"wheelpool ([a-z]+(?: (?:dir|info|prune|export)\b)?)")


def flags(command: click.Command) -> set[str]:
    names = {"--help", "-h", "--version"}
    return names.union(*({*p.opts, *p.secondary_opts} for p in parameters_of(command)))


def test_every_command_has_its_place_in_the_reference() -> None:
    titles = " ".join(re.findall(r"^### (.*)$", REFERENCE, re.MULTILINE))
    for words in filter(None, COMMANDS):
        if " " not in words and words != "cache":
            assert f"`wheelpool {words}" in titles, words
        else:
            assert f"wheelpool {words}" in REFERENCE, words


@pytest.mark.parametrize("section", re.split(r"\n### ", REFERENCE)[1:])
def test_flags_in_a_section_belong_to_its_commands(section: str) -> None:
    title, _, text = section.partition("\n")
    named = [COMMANDS[words] for words in SUBCOMMANDS.findall(title)]
    known = {flag for command in named or COMMANDS.values() for flag in flags(command)}
    if "wheelpool runs export" in text:
        known |= flags(COMMANDS["runs export"])
    if title.startswith("`wheelpool limit"):
        assert "--run" in known
    assert set(FLAG.findall(text)) <= known


def test_every_flag_in_commands_of_the_readme_exists() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if "wheelpool " in line]
    assert len(lines) > 20
    for line in lines:
        shown = re.sub(r"\s#\s.*", "", line.split("wheelpool ", 1)[1])
        match = re.match(r"(?:[a-z]+ ?)+", shown)
        assert match is not None
        words = match[0].strip()
        while words not in COMMANDS:
            words = words.rpartition(" ")[0]
        assert words, line
        assert set(FLAG.findall(f" {shown} ")) <= flags(COMMANDS[words]), line


def test_the_table_of_options_is_that_of_the_code() -> None:
    assert format_options_table() in README, "print it with python -m app.config.reference"


def test_tables_name_only_flags_that_exist() -> None:
    known = set().union(*map(flags, COMMANDS.values()))
    rows = re.findall(r"^\| `(-.*?)\|", README, re.MULTILINE)
    assert len(rows) > 15
    for row in rows:
        assert set(re.findall(r"--[a-z][a-z-]+", row)) <= known, row


def test_every_command_named_anywhere_exists() -> None:
    for name in re.findall(r"`wheelpool ([a-z]+)", README):
        assert name in COMMANDS, name


def test_every_variable_named_anywhere_exists() -> None:
    known = set(re.findall(r"WHEELPOOL_[A-Z_]+", format_options_table()))
    assert set(re.findall(r"WHEELPOOL_[A-Z_]*[A-Z]", README)) <= known


def test_themes_and_shells_are_named() -> None:
    assert all(f"`{theme}`" in REFERENCE or f"--theme {theme}" in REFERENCE for theme in THEMES)
    for shell in "bash", "zsh", "fish":
        assert f"wheelpool completion {shell}" in REFERENCE
