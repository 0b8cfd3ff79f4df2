"""Journals of others: a recorded one that is damaged, and bytes that are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.source.replay import ReplaySource
from pool.common.errors import JournalError
from pool.events.codec import CodecError, decode, decode_header
from tests.fuzz.limits import count_input, fuzz, limited
from tests.fuzz.strategies import damaged, damaged_json, expand, lines_of
from tests.support.paths import ROOT
from tests.support.template_process import TemplateProcess

RECORDINGS = ("day", "eve", "install")
COMMANDS = (
    ("replay", "LOG", "--no-ui", "-v"),
    ("replay", "LOG", "--no-ui", "--at", "50%"),
    ("report", "LOG", "--trace", "t", "--junit", "j", "--summary", "s", "--html", "h"),
    ("diff", "LOG", "LOG"),
    ("diff", "LOG", "LOG", "--json"),
    ("runs",),
    ("runs", "export", "LOG", "-o", "z"),
    ("attach", "LOG", "--no-ui"),
)
RUN = "20261121-031205-4711"


class Clock:
    """A clock of which each reading is half a second later."""

    now = 0.0

    def monotonic(self) -> float:
        self.now += 0.5
        return self.now


@cache
def recorded(name: str) -> list[bytes]:
    """Return the header and events of each type from a recorded journal."""
    lines = (ROOT / "tests" / "recordings" / f"{name}.jsonl").read_bytes().splitlines()
    counts: dict[str, int] = {}
    chosen = lines[:1]
    for line in lines[1:]:
        kind = json.loads(line)["type"]
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= 4 or kind in ("build.queued", "run.finished"):
            chosen.append(line)
    return chosen


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Draw a line of a recording that is damaged."""
    line = draw(st.sampled_from(recorded(draw(st.sampled_from(RECORDINGS)))))
    return draw(damaged_json(json.loads(line)) | damaged(line))


@st.composite
def journals(draw: st.DrawFn) -> bytes:
    """Draw a journal of recorded lines: damaged, in another order, of several recordings."""
    name = draw(st.sampled_from(RECORDINGS))
    return draw(lines_of(recorded(name), lines()))


ANY = journals() | st.binary(max_size=100) | lines()


@pytest.mark.stress
@fuzz(80)
@given(lines() | st.binary(max_size=60))
def test_decode_of_any_line_raises_only_its_error(line: bytes) -> None:
    data = expand(line)
    with limited(CodecError):
        decode(data)
    with limited(CodecError):
        decode_header(data)


@pytest.mark.stress
@fuzz(30)
@given(ANY)
def test_replay_of_any_journal_raises_only_its_error(journal: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "run.jsonl")
        path.write_bytes(expand(journal))
        with limited(JournalError):
            source = ReplaySource(path, Clock())  # type: ignore[arg-type] # only this is called
            snapshot, generation = source.snapshot(), source.generation
            for at in (source.length / 3, source.length, 0.0, -1.0, 1e12):
                source.seek(at)
                if source.generation != generation:
                    snapshot, generation = source.snapshot(), source.generation
                for event in source.poll():
                    snapshot.apply(event)
            assert source.exhausted


@pytest.fixture(scope="module")
def template() -> Iterator[TemplateProcess]:
    with TemplateProcess() as process:
        yield process


@pytest.mark.stress
@fuzz(8)
@given(journal=ANY, command=st.sampled_from(COMMANDS))
def test_command_for_any_journal_shows_or_refuses_it(
    template: TemplateProcess, journal: bytes, command: tuple[str, ...]
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name, "state", "wheelpool", "runs", RUN)
        folder.mkdir(parents=True)
        (folder / "events.jsonl").write_bytes(expand(journal))
        words = [str(folder / "events.jsonl") if word == "LOG" else word for word in command]
        environ = {"HOME": name, "XDG_STATE_HOME": f"{name}/state", "PATH": "/usr/bin:/bin"}
        work, logs = Path(name, "work"), Path(name, "logs")
        work.mkdir()
        logs.mkdir()
        count_input()  # The template ends a command that takes too long.
        done = template.run(words, environ=environ, folder=work, logs=logs)
        output = done.out + done.err
        assert done.code in (0, 1, 2), output
        assert "Traceback" not in done.err
        assert not set(output) & set("\x1b\x07\x9b\u202e")
        assert {path.name for path in Path(name).iterdir()} == {"state", "work", "logs"}
