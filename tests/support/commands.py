"""All commands of the command line, for tests of help, options and README."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["COMMANDS", "parameters_of"]


def _walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(words), command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _walk(child, (*words, name))


COMMANDS = dict(_walk(root, ()))
"""Every command by its words after ``wheelpool``; the empty string is the root."""


def parameters_of(command: click.Command) -> list[click.Parameter]:
    """Return the parameters of a command, ``--help`` included."""
    context = click.Context(command, help_option_names=["-h", "--help"])
    return command.get_params(context)
