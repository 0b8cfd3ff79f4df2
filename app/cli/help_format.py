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
_SUMMARY = 64
"""So long is what fits into 80 columns beside a name."""


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


class _Described(click.Command):
    """A command whose summary is never cut short, and whose examples are as titled as the rest."""

    def get_short_help_str(self, limit: int = _SUMMARY) -> str:
        """Return the summary; click's limit is lower than what there is place for."""
        return super().get_short_help_str(max(limit, _SUMMARY))

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as far to the left as other titles; click would indent them."""
        formatter.write_paragraph()
        formatter.write_text(self.epilog or "")


class Command(_Described):
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


class Group(_Described, click.Group):
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
        parts = {
            part: [(str(one.name).ljust(widest), one.get_short_help_str()) for one in commands]
            for part, commands in self.parts.items()
        }
        _write(formatter, parts.items())


def _part(option: click.Option) -> str:
    return option.part if isinstance(option, Option) else _OTHER


def _write(
    formatter: click.HelpFormatter, parts: Iterable[tuple[str, Sequence[tuple[str, str]]]]
) -> None:
    for part, records in parts:
        with formatter.section(part):
            formatter.write_dl(records)
