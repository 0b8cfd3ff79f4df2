"""The cost of the screen: 10,000 builds and 1,000 events a second, in a real terminal (tmux).

Prints the share of a core, how late the loop's timers are, and how long each key takes until it is
drawn: scrolling, sorting, and every letter of a filter. Aims: under 15 %, p99 under 20 ms, 50 ms.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from textual import events

from app.tui.app import WheelpoolApp
from pool.common.model import BuildId, LimitName, Outcome
from pool.events import types as v

BUILDS, PER_SECOND, SECONDS = 10_000, 1000, 10.0


class Busy:
    """A live run that has this many events each second."""

    live = True
    attached = False
    journal = None
    header = None
    generation = 0
    exhausted = False

    def __init__(self) -> None:
        builds = [BuildId(f"b{n}") for n in range(BUILDS)]
        self._builds = builds
        self._events: list[v.KnownEvent] = [
            v.RunStarted(limits={LimitName.BUILDS: 8}, targets=BUILDS, out_dir="o", logs="l"),
            *[v.BuildQueued(build=b, name=f"package-{b}", target=b, log=b) for b in builds],
            *[v.BuildStarted(build=b, slot=n) for n, b in enumerate(builds[:8], 1)],
        ]
        self._seq = 0
        self._told = 0
        self._first = 0
        self._start = time.perf_counter()

    def poll(self) -> Sequence[v.KnownEvent]:
        due = int((time.perf_counter() - self._start) * PER_SECOND)
        for number in range(self._told, due):
            self._events.append(self._next(number))
        self._told = due
        batch, self._events = self._events, []
        return batch

    def _next(self, number: int) -> v.KnownEvent:
        self._seq += 1
        build = self._builds[self._first + number % 8]
        event: v.KnownEvent = v.BuildOutput(
            build=build, lines=number, bytes=number, last=f"line {number}"
        )
        if number % 50 == 0:
            # One ends, the next one begins.
            build = self._builds[self._first]
            self._events.append(v.BuildFinished(build=build, outcome=Outcome.BUILT, seconds=1.0))
            event = v.BuildStarted(build=self._builds[self._first + 8], slot=self._first % 8 + 1)
            self._first += 1
        return msgspec.structs.replace(event, seq=self._seq, t=number / PER_SECOND)

    def send(self, control: object) -> None:
        """Nothing can be changed."""


class Measured(WheelpoolApp):
    """Looks at its own CPU time and at how late a timer is."""

    def on_mount(self) -> None:
        self._lates: list[float] = []
        self._measuring = asyncio.get_running_loop().create_task(self._measure())

    async def _measure(self) -> None:
        await asyncio.sleep(3.0)  # The first drawing is not what is measured.
        cpu, start = time.process_time(), time.perf_counter()
        await asyncio.sleep(SECONDS)
        share = (time.process_time() - cpu) / (time.perf_counter() - start)
        # Apart from it: to look two hundred times a second costs something itself.
        start = time.perf_counter()
        while (now := time.perf_counter()) - start < SECONDS:
            await asyncio.sleep(0.005)
            self._lates.append(time.perf_counter() - now - 0.005)
        late = sorted(self._lates)[int(len(self._lates) * 0.99)]
        keys = await self._keys()
        Path(sys.argv[1]).write_text(
            f"{BUILDS:,} rows, {PER_SECOND:,} events a second: {100 * share:.1f} % of a core (aim: 15),"
            f" loop late by p99 {1000 * late:.1f} ms (aim: 20), worst {1000 * max(self._lates):.1f} ms\n{keys}"
        )
        self.exit()

    async def _keys(self) -> str:
        """Press keys, and say how long each took at most until its line was drawn."""
        typed = {
            "scroll": ["down", "pagedown", "pageup", "G", "g"] * 40,
            "filter": ["slash", *"package-b42", *["backspace"] * 4, *"9999", "escape"] * 5,
            "sort": ["s", "S"] * 50,
        }
        told = []
        for name, keys in typed.items():
            times = [await self._press(key) for key in keys]
            wall, cpu = (sorted(one) for one in zip(*times, strict=True))
            told.append(
                f"{name}: median {1000 * wall[len(wall) // 2]:.0f} ms,"
                f" p99 {1000 * wall[len(wall) * 99 // 100]:.0f} ms, worst {1000 * wall[-1]:.0f} ms"
                f" ({1000 * cpu[-1]:.0f} ms of a core)"
            )
        return "; ".join(told) + " a key (aim: 50)\n"

    async def _press(self, key: str) -> tuple[float, float]:
        """Return the seconds, and those of a core, from a key to what it did on the screen."""
        drawn = asyncio.Event()
        start, cpu = time.perf_counter(), time.process_time()
        self.post_message(events.Key(key, key if len(key) == 1 else None))
        # The work of the key comes first in each queue: the callback that is added last runs last.
        self.call_later(lambda: self.screen.call_after_refresh(drawn.set))
        await drawn.wait()
        took = time.perf_counter() - start, time.process_time() - cpu
        await asyncio.sleep(0.05)
        return took


def main() -> None:
    if len(sys.argv) > 1:
        Measured(Busy()).run()
        return
    with tempfile.TemporaryDirectory() as folder:
        told, socket = Path(folder) / "told", f"{folder}/tmux"
        command = f"{sys.executable} {__file__} {told}"
        environ = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        tmux = ["tmux", "-S", socket, "-f", os.devnull]
        subprocess.run(
            [*tmux, "new-session", "-d", "-x", "120", "-y", "36", command], env=environ, check=True
        )
        deadline = time.monotonic() + 60 + 2 * SECONDS
        while not told.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(0.2)
        print(told.read_text().strip())


if __name__ == "__main__":
    main()
