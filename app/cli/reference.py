"""The page of the manual with the help of all commands.

``python -m app.cli.reference`` prints it after a change of the command line; a test compares the
two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["format_reference"]

_WIDTH = 80


def format_reference() -> str:
    """Return the help of every command as Markdown."""
    context = click.Context(root, info_name="wheelpool", help_option_names=["-h", "--help"])
    sections = "\n".join(_sections(root, context))
    return f"# Command line\n\nThe output of `--help` of all commands.\n\n{sections}"


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    context.terminal_width = context.max_content_width = _WIDTH
    title = "" if context.parent is None else f"## {context.command_path}\n\n"
    help_text = command.get_help(context)
    lines = "\n".join(line.rstrip() for line in help_text.splitlines())
    yield f"{title}```text\n{lines}\n```\n"
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            names = context.help_option_names
            yield from _sections(
                child, click.Context(child, context, info_name=name, help_option_names=names)
            )


if __name__ == "__main__":
    print(format_reference(), end="")
