"""Fixtures: a home of its own for the command, and journals made on the spot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import pool
from pool.common.model import RunId
from pool.events.journal import JournalWriter
from tests.support.makers import make_tree
from tests.support.template_process import TemplateProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WHEELPOOL = Path(sys.executable).parent / "wheelpool"


@dataclass
class Home:
    """Runs the command with a home, caches and a state of its own, and no index."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    template: TemplateProcess | None = None
    """What `run` forks its commands from; without one, they are started as from a shell."""

    def __post_init__(self) -> None:
        (self.root / "tmp").mkdir()
        self.environ = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.root / "home"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "TMPDIR": str(self.root / "tmp"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
        }

    @property
    def state(self) -> Path:
        return self.root / "state" / "wheelpool"

    def tree(self, name: str, backend: str = "") -> Path:
        """Make a project that builds itself."""
        return make_tree(self.root, name, backend=backend)

    def configure(self, text: str) -> Path:
        """Write the user's configuration file."""
        file = self.root / "config" / "wheelpool" / "wheelpool.toml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        return file

    def start(self, *arguments: str | Path, **environ: str) -> subprocess.Popen[str]:
        """Start the command and let it run."""
        process = subprocess.Popen(
            [str(WHEELPOOL), *map(str, arguments)],
            cwd=self.root,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    @property
    def command(self) -> Path:
        return WHEELPOOL

    def python(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a piece of Python in the command's place."""
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=self.root,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def wait_for(self, name: str) -> None:
        """Wait until a file is there."""
        wait_until((self.root / name).exists)

    def wait_for_text(self, name: str, text: str) -> None:
        """Wait until a text is in a file."""
        wait_until(lambda: text in (self.root / name).read_text())

    def run(self, *arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        if self.template is None or any(name.startswith("PYTHON") for name in environ):
            process = self.start(*arguments, **environ)
            out, err = process.communicate(timeout=120)
            return subprocess.CompletedProcess(process.args, process.returncode, out, err)
        words = [*map(str, arguments)]
        done = self.template.run(
            words, environ=self.environ | environ, folder=self.root, logs=self.root / "streams"
        )
        return subprocess.CompletedProcess(words, done.code, done.out, done.err)

    def end(self) -> None:
        """Leave nothing running, whatever the test did."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for a condition; the test's own timeout is the only one."""
    while not holds():
        time.sleep(0.01)


@pytest.fixture
def home(tmp_path: Path, template: TemplateProcess) -> Iterator[Home]:
    made = Home(tmp_path, template=template)
    yield made
    made.end()


HEADER = pool.events.Header(
    wheelpool="0.1.0",
    schema=1,
    run=RunId("20261121-031205-4711"),
    started="2026-11-21T03:12:05.000+00:00",
    argv=("wheelpool", "build", "./a"),
    python="3.11.7",
    host=pool.events.Host(cpus=2, memory=8 << 30),
)


def write_journal(
    folder: Path, events: Sequence[pool.events.KnownEvent], run: str = "20261121-031205-4711"
) -> Path:
    """Write a run's folder; ``seq`` is filled in."""
    header = msgspec.structs.replace(HEADER, run=RunId(run))
    writer = JournalWriter(folder / "events.jsonl", header)
    for event in number_events(events):
        writer.write(event)
    writer.close()
    return writer.path


def number_events(events: Sequence[pool.events.KnownEvent]) -> list[pool.events.KnownEvent]:
    return [
        msgspec.structs.replace(event, seq=seq, t=event.t or float(seq - 1))
        for seq, event in enumerate(events, 1)
    ]
