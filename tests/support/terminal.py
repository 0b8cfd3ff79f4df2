"""A real terminal for tests: tmux, typed into and read like a person would."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

__all__ = ["Terminal", "needs_tmux", "wait_until"]

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


def wait_until(
    condition: Callable[[], bool],
    describe: Callable[[], object] = lambda: "",
    seconds: float = 30.0,
) -> None:
    """Wait for a condition; what ``told`` returns explains why it did not come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come about:\n{describe()}"
        time.sleep(0.02)


class Terminal:
    """One tmux server with one window."""

    def __init__(
        self, folder: Path, environ: Mapping[str, str], width: int = 99, height: int = 36
    ) -> None:
        self._socket = str(folder / "tmux")
        self._environ = dict(environ)
        (folder / "term").mkdir()
        self.tmux(
            "new-session", "-d", "-s", "t", "-x", str(width), "-y", str(height), "env PS1='$ ' sh"
        )

    def tmux(self, *words: str) -> str:
        """Run a tmux command."""
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", os.devnull, *words],
            env={**self._environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def type(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self.tmux("send-keys", "-t", "t", *keys)

    def run(self, argv: list[str]) -> None:
        """Type a command line."""
        self.tmux("send-keys", "-t", "t", "-l", shlex.join(argv))
        self.type("Enter")

    def screen(self) -> str:
        """Return what is on the screen."""
        return self.tmux("capture-pane", "-t", "t", "-p")

    def shows(self, text: str, seconds: float = 30.0) -> None:
        """Wait until a text is on the screen."""
        wait_until(lambda: text in self.screen(), self.screen, seconds)

    def close(self) -> None:
        """End the server and all that runs in it."""
        self.tmux("kill-server")
