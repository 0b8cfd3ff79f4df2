"""Input of terminals: keys, answers and pastes in any pieces; none becomes another key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events

from app.tui.terminal_input import TerminalInput
from tests.fuzz.limits import fuzz, limited
from tests.fuzz.strategies import damaged, expand

ANSWERS = (
    *(b"\x1b]11;rgb:1111/2222/3333\x1b\\", b"\x1bP>|xterm(390)\x1b\\", b"\x1b_Gi=31;OK\x1b\\"),
    *(b"\x1b[?64;1;2c", b"\x1b[8;36;120t", b"\x1b[<0;5;6M", b"\x1b[M !!", b"\x1b[?2026;2$y"),
    *(b"\x1b[200~pasted\x1b[201~", b"\x1b[97;5u", b"\x1b[1;5C", b"\x1bOP", b"\x1b[[A", b"\x1b[3$"),
    *("é€\x9d".encode(), b"\xe9", b"\x9b1;2R", b"\x9d0;x\x9c", b"\x18", b"\x1a", b"\x07", b"q"),
    *(b"\x1b[<DIGITS>u", b"\x1b]<DIGITS>"),
)
CHUNKS = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(ANSWERS),
        st.sampled_from(ANSWERS).flatmap(damaged),
    ),
    max_size=10,
)


class Clock:
    """A clock that stands still until a pause is added."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.stress
@fuzz(80)
@given(CHUNKS, st.sampled_from([0.0, 0.3, 3.0]))
def test_any_input_gives_printable_messages_and_ends(chunks: list[bytes], pause: float) -> None:
    clock = Clock()
    terminal = TerminalInput(clock)
    with limited():
        for chunk in map(expand, chunks):
            for message in terminal.feed(chunk):
                if isinstance(message, events.Paste):
                    assert message.text.replace("\n", "").isprintable()
                    assert len(message.text) < 100_000
                elif isinstance(message, events.MouseEvent):
                    assert max(abs(message.x), abs(message.y)) < 100_000
            clock.now += pause
            list(terminal.tick())
        # Any control string ends, and the keyboard is the user's again.
        for _ in range(3):
            clock.now += 5.0
            list(terminal.tick())
        keys = [*terminal.feed(b"q"), *terminal.tick()]
        assert [key.key for key in keys if isinstance(key, events.Key)][-1:] == ["q"]
