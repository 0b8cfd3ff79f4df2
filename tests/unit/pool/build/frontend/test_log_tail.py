"""Log tails: growth is counted at any size, and the last line is cleaned."""

from __future__ import annotations

import errno
import io
from typing import TYPE_CHECKING

import pytest

from pool.build.frontend.log_tail import LogTail, last_lines
from pool.common.text import LONGEST_LINE, clean_line

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"plain\n", "plain"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b[38;5;196mred\x1b[m", "red"),
        (b"\x1b[2J\x1b[Hcleared", "cleared"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bPdevice control\x1b\\text", "text"),
        (b"\x1b]unending", ""),
        (b"\x1b(Bcharset", "charset"),
        (b"\x1bcreset", "reset"),
        (b"\xc2\x9b31mred", "red"),
        (b"at the end \x1b", "at the end"),
        (b"at the end \x1b[", "at the end"),
        (b"one\rtwo\rthree", "three"),
        (b"one\rtwo\r\n", "two"),
        (b"10 %\r\x1b[K20 %", "20 %"),
        (b"a\tb", "a       b"),
        (b"bell\x07 null\x00 del\x7f", "bell null del"),
        (b"caf\xc3\xa9 \xe2\x9c\x93", "café ✓"),
        (b"broken \xff\xfe", "broken \ufffd\ufffd"),
        ("surrogate \udcff", "surrogate"),
        ("right \u202eto left\u2066\u200f", "right to left"),
        ("  indented  ", "  indented"),
        ("", ""),
    ],
)
def test_a_line_is_shown_as_plain_text(line: str | bytes, shown: str) -> None:
    assert clean_line(line) == shown


def test_a_long_line_is_cut_with_an_ellipsis() -> None:
    shown = clean_line("x" * 10_000_000)
    assert len(shown) == LONGEST_LINE
    assert shown.endswith("…")
    assert clean_line("x" * 30, 10) == "x" * 9 + "…"


def test_a_long_line_of_progress_shows_its_end() -> None:
    assert clean_line("\r".join(f"{n} of 100000" for n in range(100_001))) == "100000 of 100000"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "b1.log"


def append(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)


def test_a_missing_log_has_no_growth(log: Path) -> None:
    tail = LogTail(log)
    assert tail.poll() is None
    append(log, b"")
    assert tail.poll() is None


def test_growth_is_returned_once_with_totals(log: Path) -> None:
    tail = LogTail(log)
    append(log, b"one\ntwo\n")
    first = tail.poll()
    assert first
    assert (first.lines, first.bytes, first.last) == (2, 8, "two")
    assert tail.poll() is None
    append(log, b"thr")
    second = tail.poll()
    assert second
    assert (second.lines, second.last) == (3, "thr")
    append(log, b"ee\n\n \n\x1b[0m\n")
    third = tail.poll()
    assert third
    assert (third.lines, third.last) == (6, "three")


def test_a_progress_line_without_an_end_is_shown_as_it_changes(log: Path) -> None:
    tail = LogTail(log)
    append(log, b"start\n10 %")
    append(log, b"\r20 %")
    seen = tail.poll()
    assert seen
    assert (seen.lines, seen.last) == (2, "20 %")
    append(log, b"\r30 %\r")
    seen = tail.poll()
    assert seen
    assert (seen.lines, seen.last) == (2, "30 %")


def test_a_line_across_two_chunks_is_one_line(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pool.build.frontend.log_tail._CHUNK", 8)
    append(log, b"abc\nbefore caf\xc3\xa9\n")
    seen = LogTail(log).poll()
    assert seen
    assert (seen.lines, seen.last) == (2, "before café")


def test_an_endless_line_is_reduced_to_its_end(log: Path) -> None:
    tail = LogTail(log)
    append(log, b"x" * (5 << 20))
    seen = tail.poll()
    assert seen
    assert (seen.lines, len(seen.last)) == (1, LONGEST_LINE)
    assert len(tail._recent) <= 1 << 16


def test_last_lines_omit_empty_lines(log: Path) -> None:
    append(log, b"one\n\n\x1b[31mtwo\x1b[0m\n\n")
    assert last_lines(log) == ["one", "two"]
    assert last_lines(log, most=2) == []


def test_a_missing_log_has_no_last_lines(log: Path) -> None:
    assert last_lines(log) == []


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.EACCES])
def test_a_log_that_cannot_be_opened_is_read_at_a_later_poll(
    log: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    append(log, b"one\n")
    tail = LogTail(log)
    with monkeypatch.context() as patch:

        def fails(*_: object) -> None:
            raise OSError(number, "no")

        patch.setattr("pathlib.Path.open", fails)
        assert tail.poll() is None
        assert tail.problem is not None
        assert tail.problem.errno == number
    growth = tail.poll()
    assert growth
    assert (growth.lines, growth.last) == (1, "one")
    assert tail.problem is None


def test_a_read_that_fails_half_way_preserves_earlier_lines(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(log, b"one\ntwo\n")
    tail = LogTail(log)

    class Torn(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() == 4:
                raise OSError(errno.EIO, "no")
            return super().read(4)

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", lambda *_: Torn(b"one\ntwo\n"))
        growth = tail.poll()
    assert growth
    assert (growth.lines, growth.bytes, growth.last) == (1, 4, "one")
    assert tail.problem is not None
    later = tail.poll()
    assert later
    assert (later.lines, later.bytes, later.last) == (2, 8, "two")
