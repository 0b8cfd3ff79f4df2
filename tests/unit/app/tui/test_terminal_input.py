"""The decoder of terminal input: keys stay keys, answers of the terminal never become keys."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS, IGNORE_SEQUENCE
from textual.message import Message

from app.tui.terminal_input import TerminalInput

INTRODUCERS = [
    *(b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX"),
    *(b"\x9d", b"\x90", b"\x9f", b"\x9e", b"\x98"),
    *("\x9d".encode(), "\x90".encode()),
]
ENDS = [b"\x1b\\", b"\x9c"]
COLOUR_ANSWER = b"\x1b]11;rgb:1111/2222/3333\x1b\\"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def decode(*chunks: bytes, seconds: float = 0.0) -> list[str]:
    """Decode chunks with a pause after each; return the keys, and the names of other messages."""
    clock = Clock()
    terminal = TerminalInput(clock)
    messages: list[Message] = []
    for chunk in chunks:
        messages += terminal.feed(chunk)
        clock.now += seconds
        messages += terminal.tick()
    return [
        message.key if isinstance(message, events.Key) else type(message).__name__
        for message in messages
    ]


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"q1x", ["q", "1", "x"]),
        ("é½€".encode(), ["é", "½", "euro_sign"]),
        (b"\x03\r\t\x7f", ["ctrl+c", "enter", "tab", "backspace"]),
        (b"\x1b[A\x1bOB\x1b[1;5C", ["up", "down", "ctrl+right"]),
        (b"\x1b[[A\x1b[[B", ["f1", "f2"]),
        (b"\x1b[3$", ["shift+delete"]),
        (b"\x1bc", ["alt+c"]),
        (b"\x1b\x1b[A", ["escape", "up"]),
        (b"\x9bA", ["up"]),
        (b"\x1b[97;5u", ["ctrl+a"]),
        (b"\x1b[I\x1b[O", ["AppFocus", "AppBlur"]),
        (b"\x1b[<0;5;6M\x1b[<0;5;6m", ["MouseDown", "MouseUp"]),
        (b"\x1b[?2026;2$y", ["TerminalSupportsSynchronizedOutput"]),
        (b"\x1b[200~1q\x1b[201~q", ["Paste", "q"]),
    ],
)
def test_key_is_decoded_as_textual_does(typed: bytes, keys: list[str]) -> None:
    assert decode(typed) == keys


def test_each_sequence_of_textuals_table_is_decoded() -> None:
    missing = [
        sequence
        for sequence, keys in ANSI_SEQUENCES_KEYS.items()
        if keys is not IGNORE_SEQUENCE
        and sequence not in ("\x1b", "\x9b")
        and not decode(sequence.encode())
    ]
    assert missing == []


def test_lone_escape_is_a_key_after_a_pause() -> None:
    assert decode(b"\x1b") == []
    assert decode(b"\x1b", seconds=0.2) == ["escape"]
    assert decode(b"\x1b", b"q", seconds=0.2) == ["escape", "q"]


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"\xe9q", ["replacement_character", "q"]),  # é in Latin-1
        (b"\xffq", ["replacement_character", "q"]),
        (b"\x85q", ["q"]),
        (b"\xe2\x82q", ["replacement_character", "q"]),
        (b"\xe2\x82\x1b[A", ["replacement_character", "up"]),
    ],
)
def test_bytes_that_are_not_utf8_are_replaced(typed: bytes, keys: list[str]) -> None:
    assert decode(typed) == keys


@pytest.mark.parametrize("column", [0x20, 0x41, 0x7F, 0x80, 0x9B, 0x9D, 0xC3, 0xFF])
def test_x10_mouse_report_is_dropped(column: int) -> None:
    assert decode(b"\x1b[M " + bytes((column, column)) + b"q") == ["q"]


@pytest.mark.parametrize(
    "answer",
    [
        COLOUR_ANSWER,
        b"\x1b]11;rgb:1111/2222/3333\x07",
        b"\x1b]10;rgb:1/2/3\x9c",
        b"\x1bP1$r0q\x1b\\",
        b"\x1bP>|xterm(390)\x1b\\",
        b"\x1b_Gi=31;OK\x1b\\",
        b"\x1b[?64;1;2;6;9;15;22c",
        b"\x1b[>0;276;0c",
        b"\x1b[8;36;120t",
        b"\x1b[0n",
        b"\x1b[?1u",
        b"\x1b[999999999999999999;1;1;1;1;1;1;1;1;1;1x",
        b"\x1b[9999999999u",
        b"\x1b[48;0;0;0;0t",
        b"\x1b[48;999999999;999999999;9;9t",
        b"\x1b[<0;999999999;999999999M",
    ],
)
@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_answer_of_the_terminal_is_dropped_up_to_its_end(answer: bytes, pause: float) -> None:
    assert decode(answer + b"q") == ["q"]
    for at in range(2, len(answer)):
        assert decode(answer[:at], answer[at:], b"q", seconds=pause) == ["q"], at


def test_control_string_without_an_end_gives_the_keyboard_back() -> None:
    assert decode(b"\x1b]11;1", b"q", seconds=1.5) == ["q"]
    assert decode(b"\x1b]11;1\x1b[A") == ["up"]
    assert decode(b"\x1b]11;1\x18q") == ["q"]


def test_paste_has_no_control_characters_and_an_end() -> None:
    clock = Clock()
    terminal = TerminalInput(clock)
    (paste,) = terminal.feed(b"\x1b[200~a\x1b[2J\x9b\xff\r\nb\x00\x1b[201~")
    assert isinstance(paste, events.Paste)
    assert paste.text == "a[2J\ufffd\ufffd\nb"
    assert not [*terminal.feed(b"\x1b[200~" + b"x" * 200_000)]
    clock.now += 2.0
    (paste,) = terminal.tick()
    assert isinstance(paste, events.Paste)
    assert 60_000 < len(paste.text) < 70_000
    assert len([*terminal.feed(b"q")]) == 1


@given(st.lists(st.binary(max_size=40), max_size=8))
@example([b"\x1b[99999999999u"])
@example([b"\x1b[48;0;0;0;0t\x1b[<0;1;1M"])
def test_any_bytes_are_decoded_without_an_exception(chunks: list[bytes]) -> None:
    decode(*chunks)
    decode(*chunks, seconds=0.3)
    decode(*chunks, seconds=3.0)


SEQUENCES = st.sampled_from(
    [b"\x1b", b"\x1b[", b"\x1b[200~", b"\x1b[201~", b"\x1b[M", b"\x1bO", b"\x07", b"\x1b\\", b"9"]
)


@given(
    st.lists(st.one_of(st.binary(max_size=8), SEQUENCES, st.sampled_from(INTRODUCERS)), max_size=12)
)
def test_structured_bytes_are_decoded_without_an_exception(chunks: list[bytes]) -> None:
    decode(b"".join(chunks))
    decode(*chunks, seconds=0.3)


@given(
    st.sampled_from(INTRODUCERS),
    st.binary().map(lambda body: body.translate(None, b"\x07\x18\x1a\x1b\x9c")),
    st.sampled_from(ENDS),
    st.integers(0, 3),
)
def test_no_byte_of_a_control_string_becomes_a_key(
    introducer: bytes, body: bytes, end: bytes, cuts: int
) -> None:
    # A character that the body cuts off would hide an end of one byte.
    string = introducer + body + b" " + end
    at = [len(introducer) + len(body) * cut // 4 for cut in range(1, cuts + 1)]
    chunks = [string[a:b] for a, b in zip([0, *at], [*at, len(string)], strict=True)]
    assert decode(*chunks, b"q", seconds=0.05) == ["q"]


@given(st.binary(max_size=60), st.integers(0, 60))
def test_pieces_of_input_give_the_keys_of_the_whole(data: bytes, at: int) -> None:
    assert decode(data[:at], data[at:]) == decode(data)
