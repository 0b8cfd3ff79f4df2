"""How help looks: options in parts, commands in parts, one line of summary for each.

The words are the commands' own. Click lays all of it out in 80 columns; examples are epilogs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Command", "Group", "Option"]

_OTHER = "Options"


class Option(click.Option):
    """An option with a place in the help.

    Args:
        declarations: its names, as click takes them.
        part: the title that it stands under.
        attributes: click's.
    """

    def __init__(
        self,
        declarations: Sequence[str],
        part: str = _OTHER,
        **attributes: Any,  # noqa: ANN401 - click's
    ) -> None:
        super().__init__(declarations, **attributes)
        self.part = part


class Command(click.Command):
    """A command whose options stand in parts, in the order in which they are declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a title above those of each part."""
        parts: dict[str, list[tuple[str, str]]] = {}
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        # Those without a part go last: that is --help where the others have one.
        for option in sorted(options, key=lambda option: _part(option) == _OTHER):
            if (record := option.get_help_record(ctx)) is not None:
                parts.setdefault(_part(option), []).append(record)
        _write(formatter, parts.items())

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_epilog(formatter, self.epilog)


class Group(click.Group):
    """A command of commands, which stand in parts.

    Args:
        parts: the commands below the title of each part.
        attributes: click's.
    """

    def __init__(
        self,
        parts: Mapping[str, Sequence[click.Command]],
        **attributes: Any,  # noqa: ANN401 - click's
    ) -> None:
        super().__init__(**attributes)
        self.parts = parts
        for command in (command for commands in parts.values() for command in commands):
            self.add_command(command)

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names in the order of the parts."""
        return list(self.commands)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, a title above those of each part."""
        widest = max(map(len, self.commands))
        most = formatter.width - widest - 4
        parts = {
            part: [(str(one.name).ljust(widest), one.get_short_help_str(most)) for one in commands]
            for part, commands in self.parts.items()
        }
        _write(formatter, parts.items())

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_epilog(formatter, self.epilog)


def _part(option: click.Option) -> str:
    return option.part if isinstance(option, Option) else _OTHER


def _write(
    formatter: click.HelpFormatter, parts: Iterable[tuple[str, Sequence[tuple[str, str]]]]
) -> None:
    for part, records in parts:
        with formatter.section(part):
            formatter.write_dl(records)


def _write_epilog(formatter: click.HelpFormatter, epilog: str | None) -> None:
    """Write what comes last as far to the left as the other titles; click would indent it."""
    formatter.write_paragraph()
    formatter.write_text(epilog or "")
