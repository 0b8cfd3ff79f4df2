"""Journals that are damaged, cut, reordered or hostile: each is shown, or refused by its line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pool.common.model import BuildId, Outcome
from pool.events.codec import encode, encode_header
from pool.events.types import (
    BuildFinished,
    BuildQueued,
    BuildStarted,
    Note,
    RunFinished,
    RunStarted,
)
from tests.corpus.case import Case, Expected, refused
from tests.support.home import HEADER, number_events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

B1, B2 = BuildId("b1"), BuildId("b2")
LINES = [
    encode_header(HEADER),
    *map(
        encode,
        number_events(
            [
                RunStarted(limits={}, targets=2, out_dir="out", logs="logs"),
                BuildQueued(build=B1, name="a", target="./a", log="a.log"),
                BuildQueued(build=B2, name="b", target="./b", log="b.log"),
                BuildStarted(build=B1, slot=1),
                BuildFinished(build=B1, outcome=Outcome.BUILT, seconds=1.0, wheel="out/a.whl"),
                Note(text="a note"),
                RunFinished(exit_code=0, totals={Outcome.BUILT: 1}),
            ]
        ),
    ),
]
"""A header and seven events."""
COMMANDS: dict[str, Sequence[str]] = {
    "replay": ("replay", "run.jsonl", "--no-ui", "-v"),
    "summary": ("report", "run.jsonl", "--summary", "-"),
    "junit": ("report", "run.jsonl", "--junit", "-"),
    "trace": ("report", "run.jsonl", "--trace", "-"),
    "html": ("report", "run.jsonl", "--html", "-"),
    "diff": ("diff", "run.jsonl", "run.jsonl"),
    "export": ("runs", "export", "run.jsonl", "-o", "run.zip"),
}


def _changed(number: int, **values: Any) -> bytes:
    """Return the journal with other values in one line."""
    lines = list(LINES)
    lines[number] = json.dumps(json.loads(lines[number]) | values).encode()
    return _joined(lines)


def _joined(lines: Sequence[bytes]) -> bytes:
    return b"\n".join(lines) + b"\n"


def _replaced(number: int, line: bytes) -> bytes:
    return _joined([*LINES[:number], line, *LINES[number + 1 :]])


CONTROLS = "\x1b]0;x\x07\x9b31m\u202e\x85::error::x"
SHOWN: dict[str, bytes] = {
    "torn-last-line": _joined(LINES)[:-30],
    "huge-slot": _changed(4, slot=10**30),
    "blank-lines": b"\n\n".join(LINES) + b"\n\n\n",
    "carriage-returns": b"\r\n".join(LINES) + b"\r\n",
    "unknown-event": _joined([*LINES[:6], b'{"type":"moon.phase","seq":6,"t":1.0}', *LINES[6:]]),
    "unknown-field": _changed(4, colour="red"),
    "newer-field-of-header": _changed(0, mood="good"),
    "control-characters-in-name": _changed(2, name=CONTROLS),
    "control-characters-in-note": _changed(6, text=CONTROLS),
    "control-characters-in-wheel": _changed(5, wheel=CONTROLS),
    "control-characters-in-command-line": _changed(0, argv=["wheelpool", CONTROLS]),
    "very-long-note": _changed(6, text="x" * 1_000_000),
    "log-outside": _changed(2, log="../../../etc/passwd"),
    "killed-run": _joined(LINES[:5]),
}
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no header of a wheelpool log"),
    "zeros": (bytes(10_000), "no header of a wheelpool log"),
    "random-bytes": (bytes(range(256)) * 40, "no header of a wheelpool log"),
    "compressed": (b"\x1f\x8b\x08" + bytes(range(200)), "no header of a wheelpool log"),
    "other-json": (b"[1, 2, 3]\n", "no header of a wheelpool log"),
    "header-without-end": (b'{"wheelpool":"' + b"x" * (2 << 20), "no header of a wheelpool log"),
    "nested-header": (b"[" * 100_000 + b"\n", "no header of a wheelpool log"),
    "header-of-other-types": (_changed(0, argv="x"), "no header of a wheelpool log"),
    "line-without-json": (_replaced(4, b"hello"), "run.jsonl:5:"),
    "torn-line-in-the-middle": (_replaced(4, LINES[4][:20]), "run.jsonl:5:"),
    "line-without-utf8": (_replaced(6, LINES[6].replace(b"a note", b"a \xff")), "run.jsonl:7:"),
    "nested-line": (_replaced(4, b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "run.jsonl:5:"),
    "list-for-an-event": (_replaced(4, b"[]"), "run.jsonl:5:"),
    "number-for-a-name": (_changed(2, name=7), "run.jsonl:3:"),
    "huge-number": (_replaced(5, LINES[5].replace(b"1.0", b"1e999")), "run.jsonl:6:"),
    "number-with-5000-digits": (
        _replaced(5, LINES[5].replace(b"1.0", b"9" * 5000)),
        "run.jsonl:6:",
    ),
    "time-beyond-years": (_changed(3, t=1e300), "run.jsonl:4:"),
    "negative-time": (_changed(3, t=-5), "run.jsonl:4:"),
    "event-of-an-unknown-build": (_changed(4, build="b99"), "run.jsonl:5:"),
    "build-queued-twice": (_joined([*LINES[:4], LINES[3], *LINES[4:]]), "run.jsonl:5:"),
    "torn-event-alone": (LINES[0] + b"\n" + LINES[1][:40], "there are no events in it"),
    "unknown-outcome": (_changed(5, outcome="great"), "run.jsonl:6:"),
    "limits-of-another-kind": (_changed(1, limits={"moons": 3}), "run.jsonl:2:"),
    "newer-schema": (_changed(0, schema=99), "schema"),
    "header-twice": (_joined([LINES[0], *LINES]), "run.jsonl:2:"),
    "lone-surrogate": (_replaced(6, LINES[6].replace(b"a note", b"\\ud800")), "run.jsonl:7:"),
}


def _maker(content: bytes, command: Sequence[str]) -> Callable[[Path], Sequence[str]]:
    def make(folder: Path) -> Sequence[str]:
        (folder / "run.jsonl").write_bytes(content)
        return command

    return make


def _folder(folder: Path) -> Sequence[str]:
    (folder / "events.jsonl").mkdir()
    return ["report", "."]


CASES = [
    *(
        Case(f"{name}-{command}", "E9", _maker(content, words), Expected(0))
        for number, (name, content) in enumerate(SHOWN.items())
        for command, words in (list(COMMANDS.items()) * 2)[number % 7 : number % 7 + 3]
    ),
    *(
        Case(f"{name}-{command}", "E9", _maker(content, COMMANDS[command]), refused(words))
        for number, (name, (content, words)) in enumerate(REFUSED.items())
        for command in [list(COMMANDS)[number % len(COMMANDS)]]
    ),
    Case("folder-for-a-journal", "E9", _folder, refused("is a directory")),
]
