"""The reference of all options with their variables and configuration keys, as Markdown.

The manual has this table. ``python -m app.config.reference`` prints it after a change of the
options; a test compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.config.options import OPTIONS

if TYPE_CHECKING:
    from app.config.options import Option

__all__ = ["format_options_table"]

_HEAD = ("flag", "environment variable", "key", "meaning")


def format_options_table() -> str:
    """Return a table of the options that variables or the configuration file can set."""
    rows = [_HEAD, ("---",) * len(_HEAD)]
    rows += [_format_row(option) for option in OPTIONS if option.is_configurable]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _format_row(option: Option) -> tuple[str, str, str, str]:
    *short, long = (flag for pair in option.flags for flag in pair.split("/"))
    value = (option.metavar or "|".join(option.choices)) if option.kind != "flag" else ""
    default = f" Default: {option.default_words}." if option.default_words else ""
    return (
        ", ".join(map(_code, (*short, f"{long} {value}".strip()))),
        ", ".join(map(_code, option.variables)),
        _code(option.key) if option.key else "",
        _escape(option.help) + default,
    )


def _code(text: str) -> str:
    return f"`{_escape(text)}`"


def _escape(text: str) -> str:
    """Escape the character that separates the cells of a table."""
    return text.replace("|", r"\|")


if __name__ == "__main__":
    print(format_options_table(), end="")
