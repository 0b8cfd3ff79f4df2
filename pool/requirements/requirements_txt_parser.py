"""The syntax of requirements files: logical lines, each with its requirement and options.

The meaning of requirements and options is `pool.requirements.requirements_txt`'s.
"""

from __future__ import annotations

import codecs
import optparse
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pool.common.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Line", "Option", "decode", "logical_lines", "parse_line"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    # UTF-32 before UTF-16: their marks start with the same bytes.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"#.*?coding[:=]\s*([-\w.]+)")
_COMMENT = re.compile(r"(?:^|\s+)#.*")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_OPTIONS = re.compile(r"(?:^|\s+)(?=-)")


def decode(data: bytes) -> str:
    """Decode a file by its byte order mark, its coding line (PEP 263), or as UTF-8.

    Raises:
        ValueError: it cannot be decoded, or names an unknown encoding.
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
    """Yield the logical lines that are not empty, each with the number of its first line.

    A line that ends in a backslash is joined with the next. Comments are removed, and variables
    that are set are replaced.
    """
    for number, joined in _join_lines(text):
        line = _COMMENT.sub("", joined).strip()
        if line:
            yield number, _VARIABLE.sub(lambda match: environ.get(match[1]) or match[0], line)


def _join_lines(text: str) -> Iterator[tuple[int, str]]:
    first, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        first = first if parts else number
        # A comment line is never continued, and ends a continued line.
        if comment := _COMMENT.match(line) is not None:
            line = f" {line}"  # noqa: PLW2901 - so that it is still a comment after joining
        if not comment and line.endswith("\\"):
            parts.append(line.rstrip("\\"))
            continue
        yield first, "".join((*parts, line))
        parts.clear()
    if parts:
        yield first, "".join(parts)


class Option(NamedTuple):
    """One option of a line."""

    name: str
    """The long name: ``--requirement`` for ``-r``, and for abbreviations."""
    value: str
    """Empty if the option takes none."""


class Line(Record, frozen=True, kw_only=True):
    """A parsed logical line."""

    words: str
    """The text before the options: a requirement, a path or a URL; may be empty."""
    options: tuple[Option, ...]
    """In the order given."""


def parse_line(text: str) -> Line:
    """Split a logical line into its requirement and its options.

    Raises:
        ValueError: an unknown option, or one without its value; the message names it.
    """
    # Only options are split as shell words: quotes in markers have to stay.
    match = _OPTIONS.search(text)
    words, rest = (text[: match.start()], text[match.end() :]) if match else (text, "")
    options = list[Option]()
    _, extra = _make_parser(options).parse_args(shlex.split(rest))
    if extra:
        raise ValueError(f"{extra[0]!r} follows an option and belongs to none")
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
    # Parsed, so that the error can name an alternative.
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
    """Raises ValueError instead of exiting."""

    def error(self, msg: str) -> NoReturn:
        raise ValueError(msg)


def _make_parser(options: list[Option]) -> _Parser:
    """Return a parser that appends to ``options``; optparse allows abbreviations, as in pip."""

    def append(option: optparse.Option, _: str, value: str | None, __: _Parser) -> None:
        options.append(Option(option.get_opt_string(), value or ""))

    parser = _Parser(add_help_option=False, prog="")
    for spelled in _WITH_VALUE:
        parser.add_option(*spelled, action="callback", callback=append, type="str")
    for flag in _WITHOUT_VALUE:
        parser.add_option(flag, action="callback", callback=append)
    return parser
