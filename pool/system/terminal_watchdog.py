"""The process that restores the terminal of a screen that was killed or has crashed.

A script of its own, standard library only, started for each screen in a session of its own. Its
standard output is the terminal of the screen, so it cannot reach another one: after a hangup the
writes fail. It reads one line, the mode of the terminal before the screen, then ``done`` at an
orderly end. End of file without ``done`` means that the screen's process is gone.
"""

from __future__ import annotations

import json
import os
import sys
import termios
from contextlib import suppress

OUTPUT = 1
RESET = (
    "\x1b[?2026l"  # synchronized output: show what was written
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l"  # focus, bracketed paste, in-band resize
    "\x1b[<u"  # keyboard protocol of kitty
    "\x1b[?1049l"  # alternate screen
    "\x1b[?7h\x1b[?25h\x1b[0m\r\n"  # line wrap, cursor, colours
)


def main() -> None:
    """Wait for the end of the screen's process."""
    first = sys.stdin.buffer.readline()
    if sys.stdin.buffer.readline().strip() == b"done" or not os.isatty(OUTPUT):
        return
    with suppress(OSError):
        # Opened again, because the shell shares the flags of the descriptor. A terminal that is
        # stopped by Ctrl-S must not hold this process forever.
        terminal = os.open(os.ttyname(OUTPUT), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        os.write(terminal, RESET.encode())
    with suppress(OSError, ValueError, termios.error):
        mode = json.loads(first)
        characters = [bytes(one) if isinstance(one, list) else one for one in mode.pop()]
        termios.tcsetattr(OUTPUT, termios.TCSANOW, [*mode, characters])


if __name__ == "__main__":
    main()
