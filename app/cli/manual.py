"""The command ``wheelpool help``: pages of the manual, and the help of commands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from app.cli.help_format import Command

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["show_help"]

_EXAMPLES = """\b
Examples:
  wheelpool help                    list the topics
  wheelpool help memory
  wheelpool help uninstall          the same as wheelpool uninstall --help
"""


def _complete_topics(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    from app.manual import list_topics

    commands = context.find_root().command.list_commands(context)  # type: ignore[attr-defined]
    names = sorted({*list_topics(), *commands})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command(name="help", cls=Command, epilog=_EXAMPLES)
@click.argument("topic", required=False, shell_complete=_complete_topics)
@click.pass_context
def show_help(context: click.Context, topic: str | None) -> None:
    """Show a page of the manual, or the help of a command.

    Without TOPIC, list the topics. On a terminal, pages are shown in a pager; otherwise they are
    printed as Markdown.
    """
    from app.manual import list_topics, read_topic
    from app.plain import manual

    if topic is None:
        for line in manual.format_topics():
            print(line)
    elif topic not in list_topics() and (text := _command_help(context, topic)):
        print(text)
    elif sys.stdout.isatty():
        from shutil import get_terminal_size

        click.echo_via_pager(manual.render_topic(topic, get_terminal_size().columns))
    else:
        print(read_topic(topic), end="")


def _command_help(context: click.Context, name: str) -> str:
    """Return the help of a command; empty if there is no such command."""
    root = context.find_root()
    group = root.command
    command = group.get_command(root, name) if isinstance(group, click.Group) else None
    if command is None:
        return ""
    with command.make_context(name, [], parent=root, resilient_parsing=True) as own:
        return command.get_help(own)
