"""Command lines that are parsed without click have the values that click gives them."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.arguments import parse_arguments
from app.cli.root import root
from app.config.options import options_of

COMMANDS = ("build", "install")
FLAGS = sorted(
    {
        part
        for command in COMMANDS
        for option in options_of(command)
        for flag in option.flags
        for part in flag.split("/")
    }
)
WORDS = st.sampled_from(
    [
        "tree",
        "",
        "-",
        "--",
        "-j2",
        "-qv",
        "--json=1",
        "--theme",
        "dark",
        "--help",
        "-x",
        "a=b",
        "=",
        "1",
    ]
)


def parse_with_click(command: str, words: list[str]) -> tuple[object, dict[str, object]] | None:
    """Return the targets and flags, or None for an error or help."""
    parent = click.Context(root, **root.context_settings)
    try:
        context = root.commands[command].make_context(command, list(words), parent)
    except (click.ClickException, click.exceptions.Exit):
        return None
    flags = dict(context.params)
    return flags.pop("targets"), flags


@given(
    st.sampled_from(COMMANDS),
    st.lists(
        st.sampled_from(FLAGS) | st.builds("{}={}".format, st.sampled_from(FLAGS), WORDS) | WORDS,
        max_size=6,
    ),
)
def test_parse_arguments_is_click_or_nothing(command: str, words: list[str]) -> None:
    parsed = parse_arguments(command, words)
    if parsed is not None:
        assert (parsed.targets, parsed.flags) == parse_with_click(command, words)


@pytest.mark.parametrize(
    "words",
    [
        ["tree"],
        ["a", "b", "-o", "out", "--no-ui", "-q", "--log", "run.jsonl"],
        ["a", "-C", "x=1", "-C", "y=2", "--no-copy", "--builds=3", "--theme", "dark"],
        ["-r", "a.txt", "-r", "b.txt", "--json"],
    ],
)
def test_parse_arguments_reads_usual_lines(words: list[str]) -> None:
    parsed = parse_arguments("build", words)
    assert parsed is not None
    assert (parsed.targets, parsed.flags) == parse_with_click("build", words)
