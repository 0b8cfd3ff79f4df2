"""Cleaned text has no sequence that controls a terminal, for any output of a build."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from pool.build.frontend.log_tail import LogTail
from pool.common.text import LONGEST_LINE, clean_line

NASTY = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"\x1b",
                b"\x1b[",
                b"\x1b]",
                b"\x07",
                b"\x9c",
                b"\x1b\\",
                b"\r",
                b"\n",
                b"\t",
                b"\xc2\x9b",
                b"31m",
                b"\x1bP",
            ]
        ),
        st.binary(max_size=8),
        st.text(
            alphabet=st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "L"]), max_size=4
        ).map(lambda text: text.encode("utf-8", "surrogatepass")),
    ),
    max_size=30,
).map(b"".join)


def steers(character: str) -> bool:
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or character in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
    )


@given(NASTY)
def test_no_control_gets_through(line: bytes) -> None:
    for shown in (clean_line(line), clean_line(line.decode("utf-8", "surrogateescape"))):
        assert not any(steers(character) for character in shown)
        assert len(shown) <= LONGEST_LINE
        shown.encode("utf-8")
        assert clean_line(shown) == shown


@given(st.lists(NASTY, max_size=6))
def test_a_tail_is_the_same_however_the_log_grew(pieces: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        log = Path(folder, "log")
        tail, last = LogTail(log), None
        for piece in pieces:
            with log.open("ab") as file:
                file.write(piece)
            last = tail.poll() or last
        at_once = LogTail(log).poll()
        assert (last and last.lines, last and last.bytes) == (
            at_once and at_once.lines,
            at_once and at_once.bytes,
        )
        if at_once:
            assert at_once.bytes == log.stat().st_size
