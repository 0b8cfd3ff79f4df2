"""``--help`` fits 80 columns, and every command has examples, which parse."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from app.cli.help_format import GroupedOption
from app.cli.root import root
from tests.support.commands import COMMANDS

ALL = [tuple(words.split()) for words in COMMANDS]


def help_of(words: tuple[str, ...]) -> str:
    return CliRunner().invoke(root, [*words, "--help"], prog_name="wheelpool").output


def examples(text: str) -> list[list[str]]:
    """Return the commands below the heading, without their descriptions and the rest."""
    lines = text.split("\nExamples:\n")[1].split("\n\n", maxsplit=1)[0].splitlines()
    shown = [re.split(r"\s{2,}|\s[|>]\s", line.strip())[0] for line in lines]
    return [shlex.split(line)[1:] for line in shown if line.startswith("wheelpool")]


def parse(words: list[str]) -> None:
    """Parse a command line as click does, without running it."""
    context = root.make_context("wheelpool", list(words), resilient_parsing=False)
    command: click.Command = root
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert found is not None
        context = found.make_context(name, rest, parent=context)
        command = found
        if isinstance(command, click.Group) and not context._protected_args:
            assert command.invoke_without_command
            return


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_fits_80_columns_and_ends_with_examples_that_parse(words: tuple[str, ...]) -> None:
    text = help_of(words)
    assert max(map(len, text.splitlines())) <= 80, text
    assert "\n  -h, --help" in text
    found = examples(text)
    assert found
    for example in found:
        parse(example)
        assert words in ((), tuple(example[: len(words)]))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_the_summary_is_one_line_and_not_truncated(words: tuple[str, ...]) -> None:
    first = help_of(words).split("\n\n")[1].strip()
    assert first.endswith(".")
    if words:
        assert "\n" not in first
        listed = help_of(words[:-1])
        line = next(line for line in listed.splitlines() if line.startswith(f"  {words[-1]} "))
        assert line.split(maxsplit=1)[1] == first


def test_the_options_of_a_build_are_in_groups() -> None:
    for words in ("build",), ("install",):
        titles = re.findall(r"^(\S.*):$", help_of(words), re.MULTILINE)
        assert titles == ["Requirements", "Limits", "Output", "Indexes", "Builds", "Display", "Options", "Examples"]  # fmt: skip
        command = root.commands[words[0]]
        shared = [p for p in command.params if isinstance(p, click.Option)]
        assert len(shared) > 30
        assert all(isinstance(option, GroupedOption) for option in shared)


def test_a_few_options_share_one_heading() -> None:
    titles = re.findall(r"^(\S.*):$", help_of(("uninstall",)), re.MULTILINE)
    assert titles == ["Options", "Examples"]


def test_every_command_is_in_one_group() -> None:
    listed = [command for commands in root.groups.values() for command in commands]
    assert sorted(root.commands) == sorted(str(command.name) for command in listed)


def test_an_example_that_is_wrong_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(["build", "--no-such-flag"])
    with pytest.raises(click.UsageError):
        parse(["runs", "frob"])
