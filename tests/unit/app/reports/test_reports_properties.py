"""Reports are well formed for any run, and for a journal that ends anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

import pool
from app.reports.chrome_trace import render_trace
from app.reports.github import WorkflowCommands, error_annotations
from app.reports.junit import render_junit
from app.reports.markdown import render_markdown
from app.runs.record import RunRecord, read_record
from app.text.lines import Line
from pool.events.journal import JournalWriter
from pool.events.types import BuildQueued, KnownEvent
from tests.support.event_strategies import journals
from tests.support.home import HEADER
from tests.support.paths import JUNIT_SCHEMA
from tests.support.trace_format import check_trace

SCHEMA = xmlschema.XMLSchema(str(JUNIT_SCHEMA))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def records(draw: st.DrawFn) -> RunRecord:
    """A run whose builds have any names, as read back from its journal."""
    story = [_named(event, draw(NAMES)) for event in draw(journals())]
    with TemporaryDirectory() as folder:
        writer = JournalWriter(Path(folder) / "run.jsonl", HEADER)
        for event in story:
            writer.write(event)
        writer.close()
        return read_record(writer.path)


def _named(event: KnownEvent, name: str) -> KnownEvent:
    if isinstance(event, BuildQueued):
        return msgspec.structs.replace(event, name=name or "x", log=name)
    return event


@given(records())
def test_any_run_makes_a_valid_trace(record: RunRecord) -> None:
    found = check_trace(render_trace(record))
    held = sum(one["dur"] for one in found if one.get("cat") == "build")
    # Rounding to microseconds moves each end of a span by half of one at most.
    spans = [span for own in record.timeline.slots.values() for span in own]
    exact = sum(span.end(record.state.now) - span.since for span in spans)
    assert abs(held - exact * 1e6) <= len(spans)


@given(records())
def test_any_run_makes_valid_junit(record: RunRecord) -> None:
    SCHEMA.validate(render_junit(record))


@given(records())
def test_any_run_makes_markdown_with_valid_tables(record: RunRecord) -> None:
    columns = 0
    for line in render_markdown(record).splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", re.sub(r"\\\\", "", line)))
        assert cells == (columns or cells), line
        columns = cells


@given(st.lists(st.tuples(st.sampled_from(["", "log", "log.end", "built"]), NAMES)))
def test_nothing_but_our_own_commands_is_obeyed(lines: list[tuple[str, str]]) -> None:
    commands, stopped = WorkflowCommands("token"), False
    for word, text in lines:
        line = Line(word=word, text=text.replace("\n", " "))
        for told in commands.wrap(line):
            if told.word != "command":
                command = told.text.lstrip().startswith("::") or "##[" in told.text
                assert stopped or not command
            elif told.text == "::token::":
                stopped = False
            elif told.text == "::stop-commands::token":
                stopped = True
            else:
                assert re.match(r"::(group|endgroup)::", told.text)


@given(records())
def test_annotations_are_a_line_each(record: RunRecord) -> None:
    state = pool.RunState()
    for event in record.events:
        pool.apply(state, event)
        for line in error_annotations(event, state):
            assert re.fullmatch(r"::error title=[^:,\r\n]*::[^\r\n]*", line.text)
