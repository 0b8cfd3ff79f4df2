"""The usual command lines of ``build`` and ``install``, parsed without click.

click and the modules that it imports take three times as long as Python takes to start, more than
a cached build does all else. Here are only exact flags of the table, each with its value behind it
or after ``=``. Everything else (help, groups of short flags, mistakes, ``--``) is click's: then
`parse_arguments` returns None. It must never differ from click; a test compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.config.options import Option

__all__ = ["Arguments", "parse_arguments"]


class Arguments(NamedTuple):
    """A parsed command line."""

    targets: tuple[str, ...]
    flags: dict[str, object]
    """The values of all options by name, as click gives them."""


def parse_arguments(command: str, words: Sequence[str]) -> Arguments | None:
    """Parse the words after a command; None if click must parse them.

    Args:
        command: ``build`` or ``install``.
        words: the words after it.
    """
    from app.config.options import options_of

    options = options_of(command)
    if not all(option.is_configurable or option.repeatable for option in options):
        return None
    flags: dict[str, object] = {one.name: () if one.repeatable else None for one in options}
    parser = _Parser(options, flags)
    return Arguments(tuple(parser.targets), flags) if parser.parse(words) else None


class _Parser:
    """One command line.

    Args:
        options: of the command.
        flags: receives their values.
    """

    def __init__(self, options: Sequence[Option], flags: dict[str, object]) -> None:
        self.targets: list[str] = []
        self._flags = flags
        self._by_flag: dict[str, tuple[Option, bool]] = {}
        for option in options:
            for declared in option.flags:
                on, _, off = declared.partition("/")
                self._by_flag[on] = (option, True)
                if off:
                    self._by_flag[off] = (option, False)

    def parse(self, words: Sequence[str]) -> bool:
        """Parse all words; return False if there is one that click must parse."""
        rest = iter(words)
        for word in rest:
            if not word.startswith("-"):
                self.targets.append(word)
                continue
            name, equals, value = word.partition("=")
            if name not in self._by_flag or (equals and not name.startswith("--")):
                return False
            option, is_on = self._by_flag[name]
            if option.kind == "flag":
                if equals:
                    return False
                self._flags[option.name] = is_on
            elif not self._set(option, value if equals else next(rest, "-")):
                return False
        return True

    def _set(self, option: Option, value: str) -> bool:
        """Set the value of an option; return False if click may see another one."""
        if value.startswith("-") or (option.kind == "choice" and value not in option.choices):
            return False
        before = self._flags[option.name]
        self._flags[option.name] = (
            (*before, value) if option.repeatable and isinstance(before, tuple) else value
        )
        return True
