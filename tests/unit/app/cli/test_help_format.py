"""What --help says: it fits, it has examples, and the examples are right."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from app.cli.help_format import Option
from app.cli.root import root


def commands(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command."""
    yield words
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, (*words, name))


ALL = list(commands(root))


def help_of(words: tuple[str, ...]) -> str:
    return CliRunner().invoke(root, [*words, "--help"], prog_name="wheelpool").output


def examples(text: str) -> list[list[str]]:
    """Return the commands below the title, without what is said about them and what comes after."""
    lines = text.split("\nExamples:\n")[1].split("\n\n", maxsplit=1)[0].splitlines()
    told = [re.split(r"\s{2,}|\s[|>]\s", line.strip())[0] for line in lines]
    return [shlex.split(line)[1:] for line in told if line.startswith("wheelpool")]


def parsed(words: list[str]) -> None:
    """Parse a command line as click would, and run nothing."""
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
        parsed(example)
        assert words in ((), tuple(example[: len(words)]))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_the_summary_is_one_line_and_whole(words: tuple[str, ...]) -> None:
    first = help_of(words).split("\n\n")[1].strip()
    assert first.endswith(".")
    if words:
        assert "\n" not in first
        listed = help_of(words[:-1])
        line = next(line for line in listed.splitlines() if line.startswith(f"  {words[-1]} "))
        assert line.split(maxsplit=1)[1] == first


def test_the_options_of_a_build_stand_in_parts() -> None:
    for words in ("build",), ("install",):
        titles = re.findall(r"^(\S.*):$", help_of(words), re.MULTILINE)
        assert titles == ["What", "How much at once", "Where", "How", "What is shown", "Options", "Examples"]  # fmt: skip
        command = root.commands[words[0]]
        assert all(isinstance(p, Option) for p in command.params if isinstance(p, click.Option))


def test_every_command_stands_in_one_part() -> None:
    listed = [command for commands in root.parts.values() for command in commands]
    assert sorted(root.commands) == sorted(str(command.name) for command in listed)


def test_an_example_that_is_wrong_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        parsed(["build", "--no-such-flag"])
    with pytest.raises(click.UsageError):
        parsed(["runs", "frob"])
