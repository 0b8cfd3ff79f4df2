"""Turns the bytes of a terminal into Textual's messages: keys, mouse events, pastes.

A terminal sends answers to queries among the keys, some of them late or in pieces. This decoder
splits the bytes at the borders of control sequences (ECMA-48, and the parser of a VT500) before
Textual's parser reads them. Control strings (OSC, DCS, APC, PM, SOS) and unknown sequences are
dropped up to their end, so no byte of them becomes a key. Bytes that are not UTF-8 are replaced.
It never raises. It deliberately knows no key: their table is Textual's.
"""

from __future__ import annotations

import time
from codecs import getincrementaldecoder
from enum import Enum, auto
from typing import TYPE_CHECKING

from textual import constants, events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._parser import ParseTimeout
from textual._xterm_parser import XTermParser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.message import Message

__all__ = ["TerminalInput"]

_UNFINISHED_SECONDS = 1.0
"""An unfinished sequence is dropped if no byte comes for so long; then bytes are keys again."""
_LONGEST_SEQUENCE = 32
"""The bytes of a control sequence; Textual's parser takes longer ones for keys."""
_LONGEST_PASTE = 65_536
_LONGEST_SIDE = 10_000
"""The largest coordinate and the largest width that are believed."""
_ESC, _BEL, _CAN, _SUB, _ST, _DEL = 0x1B, 0x07, 0x18, 0x1A, 0x9C, 0x7F
_OSC = 0x5D
_CSI_BYTE, _SS3_BYTE = ord("["), ord("O")
_STRINGS = frozenset(b"PX]^_")
"""The second bytes of the introducers DCS, SOS, OSC, PM and APC; the first one is ESC."""
_PASTE_START, _PASTE_END = b"\x1b[200~", b"\x1b[201~"
_X10_MOUSE = b"\x1b[M"
_X10_BYTES = 3
_LINUX_FUNCTION_KEY = b"\x1b[["
"""F1 to F5 of the Linux console: a letter follows, against the grammar of control sequences."""


class _State(Enum):
    GROUND = auto()
    ESCAPE = auto()
    """After ESC."""
    SEQUENCE = auto()
    """In a control sequence: after CSI or SS3."""
    MOUSE = auto()
    """In the three bytes of an X10 mouse report."""
    STRING = auto()
    """In a control string."""
    STRING_ESCAPE = auto()
    """After ESC in a control string."""
    PASTE = auto()


class TerminalInput:
    """Decodes the input of one terminal.

    Args:
        now: a monotonic clock, for sequences that never end.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._fed_at = now()
        self._state = _State.GROUND
        self._parser = _KeyParser()
        self._decoder = getincrementaldecoder("utf-8")(errors="replace")
        self._sequence = bytearray()
        self._mouse_bytes = 0
        self._ends_with_bell = False
        self._continuation_bytes = 0
        """The bytes that the current character of a control string still lacks."""
        self._paste = bytearray()
        self._paste_tail = bytearray()
        """The last bytes of a paste, which may be the beginning of its end."""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Decode bytes; yield the messages that are complete."""
        self._fed_at = self._now()
        for byte in data:
            for message in self._read_byte(byte):
                if _is_plausible(message):
                    yield message

    def tick(self) -> Iterator[Message]:
        """Yield what is complete because no byte came; call it while there is nothing to read."""
        if self._state is _State.GROUND:
            return
        silence = self._now() - self._fed_at
        if self._state is _State.ESCAPE:
            if silence >= constants.ESCAPE_DELAY:
                self._state = _State.GROUND
                yield _escape_key()
        elif silence >= _UNFINISHED_SECONDS:
            if self._state is _State.PASTE:
                yield from self._end_paste(complete=False)
            self._state = _State.GROUND

    def _read_byte(self, byte: int) -> Iterator[Message]:
        match self._state:
            case _State.GROUND:
                return self._read_text(byte)
            case _State.ESCAPE:
                return self._read_escape(byte)
            case _State.SEQUENCE:
                return self._read_sequence(byte)
            case _State.MOUSE:
                return self._read_mouse(byte)
            case _State.STRING | _State.STRING_ESCAPE:
                return self._read_string(byte)
            case _State.PASTE:
                return self._read_paste(byte)

    def _read_text(self, byte: int) -> Iterator[Message]:
        pending = bool(self._decoder.getstate()[0])
        if byte < 0x80 and pending:
            yield from self._parse(self._decoder.decode(b"", final=True))
        if byte == _ESC:
            self._state = _State.ESCAPE
        elif 0x80 <= byte < 0xA0 and not pending:
            self._introduce(byte - 0x40)
        else:
            for character in self._decoder.decode(bytes((byte,))):
                if "\x80" <= character < "\xa0":
                    self._introduce(ord(character) - 0x40)
                else:
                    yield from self._parse(character)

    def _introduce(self, byte: int) -> bool:
        """Start what ESC and this byte introduce, which may be one C1 character as well."""
        if byte in _STRINGS:
            self._state = _State.STRING
            self._ends_with_bell = byte == _OSC
            self._continuation_bytes = 0
        elif byte in (_CSI_BYTE, _SS3_BYTE):
            self._state = _State.SEQUENCE
            self._sequence[:] = bytes((_ESC, byte))
        else:
            return False
        return True

    def _read_escape(self, byte: int) -> Iterator[Message]:
        if byte == _ESC:
            yield _escape_key()
        elif not self._introduce(byte):
            self._state = _State.GROUND
            if byte >= 0x80:
                yield from self._read_text(byte)
            elif byte != ord("\\"):  # The end of a control string that was dropped.
                yield from self._parse(f"\x1b{chr(byte)}", complete=True)

    def _read_sequence(self, byte: int) -> Iterator[Message]:
        sequence = self._sequence
        if byte < 0x20 or byte >= _DEL:
            # ESC starts a new sequence, CAN and SUB end this one, any other byte is a key.
            self._state = _State.GROUND
            if byte not in (_CAN, _SUB, _DEL):
                yield from self._read_text(byte)
            return
        if len(sequence) <= _LONGEST_SEQUENCE:
            sequence.append(byte)
        if sequence == _X10_MOUSE:
            self._state, self._mouse_bytes = _State.MOUSE, _X10_BYTES
        elif sequence == _PASTE_START:
            self._state = _State.PASTE
            self._paste.clear()
            self._paste_tail.clear()
        elif self._is_complete(byte):
            self._state = _State.GROUND
            if len(sequence) <= _LONGEST_SEQUENCE:
                yield from self._parse(sequence.decode("ascii"))

    def _is_complete(self, byte: int) -> bool:
        if self._sequence == _LINUX_FUNCTION_KEY:
            return False
        # Some keys of rxvt end with a byte that is no final byte.
        return byte >= 0x40 or self._sequence.decode("ascii") in ANSI_SEQUENCES_KEYS

    def _read_mouse(self, byte: int) -> Iterator[Message]:
        """Drop the bytes of an X10 report: Textual reads the reports of newer modes only."""
        self._mouse_bytes -= 1
        if byte < 0x20:
            self._state = _State.GROUND
            yield from self._read_text(byte)
        elif not self._mouse_bytes:
            self._state = _State.GROUND

    def _read_string(self, byte: int) -> Iterator[Message]:
        after_escape = self._state is _State.STRING_ESCAPE
        self._state = _State.STRING
        if byte == _ESC:
            self._state = _State.STRING_ESCAPE
        elif after_escape and byte == ord("\\"):
            self._state = _State.GROUND
        elif after_escape and self._introduce(byte):
            pass  # The string had no end; a new sequence has begun.
        elif self._is_string_end(byte):
            self._state = _State.GROUND
        else:
            self._count_continuation_bytes(byte)
        return iter(())

    def _is_string_end(self, byte: int) -> bool:
        if byte == _BEL:
            return self._ends_with_bell
        if byte == _ST:  # Within a character of UTF-8 this byte is no control character.
            return not self._continuation_bytes
        return byte in (_CAN, _SUB)

    def _count_continuation_bytes(self, byte: int) -> None:
        if 0x80 <= byte < 0xC0:
            self._continuation_bytes = max(0, self._continuation_bytes - 1)
        else:
            self._continuation_bytes = (byte >= 0xC2) + (byte >= 0xE0) + (byte >= 0xF0)

    def _read_paste(self, byte: int) -> Iterator[Message]:
        self._paste_tail.append(byte)
        if self._paste_tail == _PASTE_END:
            self._state = _State.GROUND
            yield from self._end_paste(complete=True)
        elif len(self._paste_tail) == len(_PASTE_END):
            first = self._paste_tail.pop(0)
            if len(self._paste) < _LONGEST_PASTE:
                self._paste.append(first)

    def _end_paste(self, *, complete: bool) -> Iterator[Message]:
        """Yield a paste without control characters, which would reach the terminal again."""
        pasted = bytes(self._paste if complete else self._paste + self._paste_tail)
        text = pasted.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
        shown = "".join(one for one in text if one == "\n" or one.isprintable())
        if shown:
            yield events.Paste(shown)

    def _parse(self, text: str, *, complete: bool = False) -> Iterator[Message]:
        """Let Textual read one key or one whole sequence; drop what it does not know."""
        try:
            messages = [*self._parser.feed(text)]
            if complete:
                messages += self._parser.end_sequence()
        except Exception:  # noqa: BLE001 - Textual raises many types, for numbers out of range
            self._parser = _KeyParser()
            return
        if self._parser.in_sequence:
            self._parser = self._parser.restart()
        yield from messages


class _KeyParser(XTermParser):
    """Textual's parser, with a known end of each sequence."""

    @property
    def in_sequence(self) -> bool:
        """Whether the text so far is the beginning of a sequence."""
        return self._awaiting.timeout is not None

    def end_sequence(self) -> Iterator[Message]:
        """Yield the text so far as keys."""
        if self.in_sequence:
            self._timeout_time = None
            self._awaiting = self._gen.throw(ParseTimeout())
            while self._tokens:
                yield self._tokens.popleft()

    def restart(self) -> _KeyParser:
        """Return a parser that has read no text, but knows the same terminal."""
        parser = _KeyParser()
        parser.last_x, parser.last_y = self.last_x, self.last_y
        parser.mouse_pixels = self.mouse_pixels
        parser.terminal_size = self.terminal_size
        parser.terminal_pixel_size = self.terminal_pixel_size
        return parser


def _escape_key() -> events.Key:
    return events.Key("escape", "\x1b")


def _is_plausible(message: Message) -> bool:
    """Tell whether sizes and coordinates are those of a terminal."""
    match message:
        case events.Resize(size=size):
            return all(0 < side <= _LONGEST_SIDE for side in size)
        case events.MouseEvent():
            return abs(message.x) <= _LONGEST_SIDE and abs(message.y) <= _LONGEST_SIDE
        case _:
            return True
