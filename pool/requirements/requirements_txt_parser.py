"""The text of pip's requirement files: logical lines, and each one's words and options.

Nothing in here knows what the words and options mean; `requirementsfile` does.
"""

from __future__ import annotations

import codecs
import optparse
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Line", "Option", "decoded", "logical_lines", "parse_line"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Those of UTF-16 are how those of UTF-32 begin.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"#.*?coding[:=]\s*([-\w.]+)")
_COMMENT = re.compile(r"(?:^|\s+)#.*")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_OPTIONS = re.compile(r"(?:^|\s+)(?=-)")


def decoded(data: bytes) -> str:
    """Return a file's text: by its byte order mark, its coding line (PEP 263), or as UTF-8.

    Raises:
        ValueError: it cannot be decoded, or names an encoding that there is not.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    for line in data.split(b"\n")[:2]:
        if match := _CODING.match(line):
            encoding = match[1].decode("ascii", "replace")
            try:
                return data.decode(encoding)
            except LookupError as problem:
                raise ValueError(f"there is no encoding called {encoding}") from problem
    return data.decode()


def logical_lines(text: str, environ: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, each with the number of the line where it begins.

    Lines that end in a backslash are joined with the next, comments are gone, and variables
    that are set are replaced.
    """
    for number, joined in _joined(text):
        line = _COMMENT.sub("", joined).strip()
        if line:
            yield number, _VARIABLE.sub(lambda match: environ.get(match[1]) or match[0], line)


def _joined(text: str) -> Iterator[tuple[int, str]]:
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        begun = begun if parts else number
        # A comment is never continued, and ends what was begun.
        if comment := _COMMENT.match(line) is not None:
            line = f" {line}"  # noqa: PLW2901 - so that it is a comment after joining, too
        if not comment and line.endswith("\\"):
            parts.append(line.rstrip("\\"))
            continue
        yield begun, "".join((*parts, line))
        parts.clear()
    if parts:
        yield begun, "".join(parts)


class Option(NamedTuple):
    """One option of a line."""

    name: str
    """The long one: ``--requirement`` for ``-r``, and for what abbreviates it."""
    value: str
    """Empty where it takes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A logical line, taken apart."""

    words: str
    """What stands before the options: a requirement, a path or a URL; or nothing."""
    options: tuple[Option, ...]
    """In the order given."""


def parse_line(text: str) -> Line:
    """Part a logical line into its words and its options.

    Raises:
        ValueError: an option that there is not, or that lacks its value; the message says which.
    """
    # Only options are words of a shell: quotes in markers have to stay.
    match = _OPTIONS.search(text)
    words, rest = (text[: match.start()], text[match.end() :]) if match else (text, "")
    options = list[Option]()
    _, behind = _parser(options).parse_args(shlex.split(rest))
    if behind:
        raise ValueError(f"{behind[0]!r} stands behind an option and belongs to none")
    return Line(words=words.strip(), options=tuple(options))


_WITH_VALUE = (
    ("-r", "--requirement"),
    ("-c", "--constraint"),
    ("-e", "--editable"),
    ("-i", "--index-url", "--pypi-url"),
    ("--extra-index-url",),
    ("-f", "--find-links"),
    ("--no-binary",),
    ("--only-binary",),
    ("--trusted-host",),
    ("--use-feature",),
    ("--hash",),
    ("-C", "--config-settings"),
    # Known, so that the refusal can say what to do instead.
    ("--global-option",),
    ("--build-option",),
    ("--install-option",),
    ("--all-releases",),
    ("--only-final",),
)
_WITHOUT_VALUE = (
    "--no-index",
    "--prefer-binary",
    "--pre",
    "--require-hashes",
    "--no-require-hashes",
)


class _Parser(optparse.OptionParser):
    """Says what is wrong, and does not exit."""

    def error(self, msg: str) -> NoReturn:
        raise ValueError(msg)


def _parser(into: list[Option]) -> _Parser:
    """Return a parser that notes options; with optparse they may be abbreviated as with pip."""

    def note(option: optparse.Option, _: str, value: str | None, __: _Parser) -> None:
        into.append(Option(option.get_opt_string(), value or ""))

    parser = _Parser(add_help_option=False, prog="")
    for spelled in _WITH_VALUE:
        parser.add_option(*spelled, action="callback", callback=note, type="str")
    for flag in _WITHOUT_VALUE:
        parser.add_option(flag, action="callback", callback=note)
    return parser
