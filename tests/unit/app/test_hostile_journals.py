"""Hostile journals: each face shows it or refuses it in one line."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pool
from app.cli.main import run
from pool import events
from pool.events.codec import encode, encode_header
from tests.support.event_strategies import events as any_event
from tests.support.event_strategies import journals
from tests.support.home import HEADER, number_events

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\n::error::x"
VALUES: list[Any] = [
    *[0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**30, 1e300, -1e300, 1e17, 0.5, -0.5],
    *["", "b1", "b2", "nobody", "../../../etc/passwd", "/etc/passwd", "a\0b", "..", ESCAPES],
    *[None, True, [], {}, ["b1"], [["b1"]], {"builds": 10**30}, {"failed": -1}, "x" * 5000],
    *[
        "memory",
        "pause",
        "failed",
        "2026-11-21",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59+00:00",
    ],
    *[2, "20261121-031205-99999999999999999999", "20261121-031205--1", "2026-11-21T03:12:05"],
]
COMMANDS = (
    ("replay", "LOG", "--no-ui"),
    ("replay", "LOG", "--no-ui", "-v", "--at", "50%"),
    ("report", "LOG"),
    ("report", "LOG", "--timings"),
    ("report", "LOG", "--json"),
    ("report", "LOG", "--trace", "t", "--junit", "j", "--summary", "s", "--html", "h"),
    ("diff", "LOG", "LOG"),
    ("diff", "LOG", "LOG", "--json"),
    ("attach", "LOG", "--no-ui"),
    ("limit", "--run", "LOG"),
    ("runs",),
    ("runs", "export", "LOG", "-o", "z"),
)


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to all values of a JSON document."""
    match data:
        case dict():
            inner = [place for key in data for place in places(data[key], (*at, key))]
        case list():
            inner = [place for key, one in enumerate(data) for place in places(one, (*at, key))]
        case _:
            inner = []
    return [at, *inner] if at else inner


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """A journal in which some values are others, and some lines elsewhere or twice."""
    story = draw(journals())
    for event in draw(st.lists(any_event, max_size=3)):
        story.insert(draw(st.integers(0, len(story))), event)
    if draw(st.booleans()):
        story.append(events.RunFinished(exit_code=1, totals={pool.Outcome.FAILED: 1}))
    lines = [encode_header(HEADER), *map(encode, number_events(story))]
    for _ in range(draw(st.integers(0, 4))):
        number = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["value", "value", "value", "value", "swap", "twice", "gone"])):
            case "value":
                lines[number] = changed(draw, lines[number])
            case "swap":
                lines[number], lines[-1] = lines[-1], lines[number]
            case "twice":
                lines.insert(number, lines[number])
            case _ if len(lines) > 1:
                del lines[number]
    return b"\n".join(lines) + b"\n"


def changed(draw: st.DrawFn, line: bytes) -> bytes:
    """Put something else in the place of one value."""
    document = json.loads(line)
    *way, last = draw(st.sampled_from(places(document)))
    inner = document
    for step in way:
        inner = inner[step]
    inner[last] = draw(st.sampled_from(VALUES))
    return json.dumps(document).encode()


def run_captured(folder: Path, *command: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it says on the terminal."""
    said = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with redirect_stderr(said), redirect_stdout(said):
        words = [str(folder / word) if len(word) == 1 else word for word in command]
        code = run([str(folder / "events.jsonl") if word == "LOG" else word for word in words])
    return code, said.buffer.getvalue().decode()


@given(hostile(), st.sampled_from(COMMANDS))
def test_any_journal_is_shown_or_refused(journal: bytes, command: tuple[str, ...]) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        for variable in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            patched.setenv(variable, name)
        folder = Path(name, "wheelpool", "runs", HEADER.run)
        folder.mkdir(parents=True)
        (folder / "events.jsonl").write_bytes(journal)
        code, said = run_captured(folder, *command)
    assert code in (0, 1, 2), said
    assert not set(said) & set("\x1b\x07\x9b\u202e"), said
    if code == 2:
        assert 1 <= len(said.splitlines()) <= 2, said


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 200_000,
        b'{"type":"x.y","seq":2,"t":0,"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"type":"x.y","seq":2,"t":0,"a":"\xff"}',
        b'{"type":"x.y","seq":2,"t":0,"a":' + b"9" * 5000 + b"}",
        b'{"type":"remark","seq":2,"t":NaN,"text":""}',
        b'{"type":"remark","seq":2,"t":1e300,"text":""}',
        b'{"type":"remark","seq":2,"t":-1,"text":""}',
        b'{"type":"remark","seq":2,"t":1e999,"text":""}',
        b'{"type":"remark","seq":2,"t":1,"text":"\\ud800"}',
    ],
)
def test_a_line_that_is_no_event_is_refused_by_its_number(tmp_path: Path, line: bytes) -> None:
    journal = tmp_path / "events.jsonl"
    first = encode(events.Note(text="", seq=1))
    journal.write_bytes(b"\n".join([encode_header(HEADER), first, line, b""]))
    code, said = run_captured(tmp_path, "replay", "LOG", "--no-ui")
    assert code == 2
    assert f"{journal}:3: " in said


@pytest.mark.parametrize(
    ("field", "value"), [("run", "../../x"), ("run", ESCAPES), ("started", "once upon a time")]
)
def test_a_header_that_no_run_has_is_refused(tmp_path: Path, field: str, value: str) -> None:
    journal = tmp_path / "events.jsonl"
    header = json.loads(encode_header(HEADER)) | {field: value}
    journal.write_text(json.dumps(header) + "\n")
    assert run_captured(tmp_path, "replay", "LOG", "--no-ui")[0] == 2


@pytest.mark.parametrize(
    ("announced", "said"), [(2, "'b1' is announced again"), (1, "'b1', which is not announced yet")]
)
def test_tries_of_each_other_are_refused(tmp_path: Path, announced: int, said: str) -> None:
    """They would never end; of two, or of one alone."""
    a = pool.BuildId("b1")
    queued = events.BuildQueued(build=a, name="a", target="a", log="a.log")
    again = msgspec.structs.replace(queued, retry_of=a)
    lines = [encode_header(HEADER), *map(encode, number_events([queued, again][-announced:]))]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    code, told_so = run_captured(tmp_path, "report", "LOG", "--junit", "j")
    assert code == 2
    assert said in told_so
