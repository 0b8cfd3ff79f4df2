"""The layout of ``--help``: options and commands in groups, one line of summary for each command.

Only the layout, on top of click's, in 80 columns. The words are in the table of options and in the
commands' docstrings; examples are epilogs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Command", "CommandGroup", "GroupedOption"]

_UNGROUPED = "Options"
_FEW = 8
"""So many options are listed under one heading."""
_SUMMARY = 64
"""The width in columns of a command's summary: 80 without the longest name."""


class GroupedOption(click.Option):
    """An option below a heading of the help.

    Args:
        declarations: its flags and its name, as click takes them.
        group: the heading.
        attributes: click's.
    """

    def __init__(
        self,
        declarations: Sequence[str],
        group: str = _UNGROUPED,
        **attributes: Any,  # noqa: ANN401 - click's
    ) -> None:
        super().__init__(declarations, **attributes)
        self.group = group

    def get_help_extra(self, ctx: click.Context) -> click.types.OptionHelpExtra:
        """Return only ``required``: the help text has the default and the range."""
        extra = super().get_help_extra(ctx)
        return {"required": extra["required"]} if "required" in extra else {}


class _BaseCommand(click.Command):
    """A command with late options, an untruncated summary, and examples without an indent."""

    make_options: Callable[[], Iterable[click.Option]] | None = None
    """Makes the options that follow the declared parameters; called once, when click needs them."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the declared parameters, the options made late, and ``--help``."""
        if self.make_options is not None:
            self.params += self.make_options()
            self.make_options = None
        return super().get_params(ctx)

    def get_short_help_str(self, limit: int = _SUMMARY) -> str:
        """Return the summary; click's limit is lower than the width allows."""
        return super().get_short_help_str(max(limit, _SUMMARY))

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples without an indent, like other headings; click would indent them."""
        formatter.write_paragraph()
        formatter.write_text(self.epilog or "")


class Command(_BaseCommand):
    """A command whose options are listed in groups, in the order of their declaration."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options below the headings of their groups; a few options share one."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        groups: dict[str, list[tuple[str, str]]] = {}
        for option in options:
            if (record := option.get_help_record(ctx)) is not None:
                heading = _UNGROUPED if len(options) <= _FEW else _group(option)
                groups.setdefault(heading, []).append(record)
        _write_groups(formatter, groups.items())


class CommandGroup(_BaseCommand, click.Group):
    """A command with subcommands, listed in groups.

    Args:
        groups: the subcommands by heading.
        attributes: click's.
    """

    def __init__(
        self,
        groups: Mapping[str, Sequence[click.Command]],
        **attributes: Any,  # noqa: ANN401 - click's
    ) -> None:
        super().__init__(**attributes)
        self.groups = groups
        for command in (command for commands in groups.values() for command in commands):
            self.add_command(command)

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names in the order of the groups."""
        return list(self.commands)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands below the headings of their groups."""
        width = max(map(len, self.commands))
        groups = {
            heading: [(str(item.name).ljust(width), item.get_short_help_str()) for item in commands]
            for heading, commands in self.groups.items()
        }
        _write_groups(formatter, groups.items())


def _group(option: click.Option) -> str:
    return option.group if isinstance(option, GroupedOption) else _UNGROUPED


def _write_groups(
    formatter: click.HelpFormatter, groups: Iterable[tuple[str, Sequence[tuple[str, str]]]]
) -> None:
    for heading, records in groups:
        with formatter.section(heading):
            formatter.write_dl(records)
