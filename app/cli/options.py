"""click's options, made from the table in `app.config.options`.

A command gets all its options by one decorator, in the order of the table, and only when click
needs them: the list of commands in ``wheelpool --help`` loads neither the table nor any option.
`app.config` parses the values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from app.cli.completion import (
    complete_directories,
    complete_files,
    complete_journals,
    complete_runs,
    complete_words,
)
from app.cli.help_format import GroupedOption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.cli.completion import Completer
    from app.cli.help_format import Command, CommandGroup
    from app.config.options import Option

    AnyCommand = TypeVar("AnyCommand", Command, CommandGroup)

__all__ = ["with_options"]


def with_options(words: str) -> Callable[[AnyCommand], AnyCommand]:
    """Return a decorator that gives a command its options.

    Args:
        words: the command's, as the table has them: ``build``, ``cache prune``.
    """

    def decorate(command: AnyCommand) -> AnyCommand:
        command.make_options = lambda: _make_options(words)
        return command

    return decorate


def _make_options(words: str) -> Iterator[click.Option]:
    from app.config.options import options_of

    return map(_make_option, options_of(words))


def _make_option(option: Option) -> click.Option:
    default = f" [default: {option.default_words}]" if option.default_words else ""
    return GroupedOption(
        [*option.flags, option.name],
        group=option.group,
        help=option.help + default,
        required=option.required,
        shell_complete=_choose_completer(option),
        **_click_attributes(option),
    )


def _click_attributes(option: Option) -> dict[str, Any]:
    """Return how click parses the value.

    A value that variables and the file can set as well stays as typed: `ConfigSources` checks all
    three alike and names the source. None means that the flag was not given.
    """
    if option.kind == "flag":
        return {"is_flag": True, "default": None if option.is_configurable else False}
    if option.kind == "choice":
        return {"type": click.Choice(option.choices)}
    attributes: dict[str, Any] = {"metavar": option.metavar, "multiple": option.repeatable}
    if not option.is_configurable and (range_type := _make_range_type(option)) is not None:
        attributes |= {"type": range_type, "default": option.default}
    return attributes


def _make_range_type(option: Option) -> click.FloatRange | click.IntRange | None:
    least, most = option.minimum, option.maximum
    if option.kind == "number":
        return click.FloatRange(least, most)
    if option.kind == "count":
        return click.IntRange(
            None if least is None else int(least), None if most is None else int(most)
        )
    return None


def _choose_completer(option: Option) -> Completer | None:
    match option.kind:
        case "file":
            return complete_files
        case "directory":
            return complete_directories
        case "journal":
            return complete_journals
        case "run":
            return complete_runs
        case "choice":
            return None  # click offers the choices.
        case _:
            return complete_words(*option.choices) if option.choices else None
