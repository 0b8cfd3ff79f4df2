"""JUnit XML is valid by the schema of Jenkins, for any run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree as ET

import pytest
import xmlschema

import pool
from app.reports.junit import render_junit
from app.runs.record import read_record
from pool import events
from tests.support.home import write_journal
from tests.support.paths import JUNIT_SCHEMA, RECORDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

# Of Jenkins' xUnit plugin, under the MIT licence, as pytest's own tests have it.
SCHEMA = xmlschema.XMLSchema(str(JUNIT_SCHEMA))
A, B = pool.BuildId("b1"), pool.BuildId("b2")
STARTED = events.RunStarted(limits={pool.LimitName.BUILDS: 2}, targets=1, out_dir="w", logs="logs")
END = events.RunFinished(exit_code=1, totals={})


def queued(build: pool.BuildId, **facts: object) -> events.BuildQueued:
    return events.BuildQueued(build=build, name="a", target="./a", log=f"{build}.log", **facts)  # type: ignore[arg-type]


def failed(build: pool.BuildId, message: str) -> events.BuildFinished:
    return events.BuildFinished(
        build=build, outcome=pool.Outcome.FAILED, reference="backend", message=message, seconds=1.5
    )


def suite(folder: Path, story: Sequence[object], log: bytes = b"") -> ET.Element:
    """Return the suite of a run, after its check against the schema."""
    journal = write_journal(folder, cast("Sequence[events.KnownEvent]", story))
    (pool.logs_path(journal) / "b1.log").write_bytes(log)
    text = render_junit(read_record(journal))
    SCHEMA.validate(text)
    found = ET.fromstring(text).find("testsuite")
    assert found is not None
    return found


@pytest.mark.parametrize("recording", ["day", "install"])
def test_recorded_runs_are_valid_and_count_right(recording: str) -> None:
    record = read_record(RECORDINGS / f"{recording}.jsonl")
    text = render_junit(record)
    SCHEMA.validate(text)
    found = ET.fromstring(text).find("testsuite")
    assert found is not None
    failures = found.findall("testcase/failure")
    assert len(failures) == int(found.attrib["failures"]) == len(record.failed)
    assert len(found.findall("testcase")) == int(found.attrib["tests"])
    assert len(found.findall("testcase/skipped")) == int(found.attrib["skipped"])


def test_a_failure_has_its_message_and_the_end_of_its_log(tmp_path: Path) -> None:
    log = b"".join(b"line %d\n" % n for n in range(100_000))
    found = suite(tmp_path, [STARTED, queued(A), failed(A, "no header"), END], log)
    failure = found.find("testcase/failure")
    assert failure is not None
    assert failure.attrib == {"type": "backend", "message": "no header"}
    assert failure.text is not None
    assert "line 99999" in failure.text
    assert len(ET.tostring(found)) < 20_000, "a log of any length makes a short document"


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1b", "\ufffe", "\uffff", "\x85"])
def test_characters_outside_xml_are_dropped_and_others_escaped(
    tmp_path: Path, character: str
) -> None:
    foreign = f"<a {character}&\"']]>"
    log = foreign.encode() + b"\xff\xed\xa0\x80\n"
    found = suite(tmp_path, [STARTED, queued(A), failed(A, foreign), END], log)
    failure = found.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("<a ")
    assert "]]>" in (failure.text or "")


def test_tries_are_one_case(tmp_path: Path) -> None:
    story = [
        STARTED,
        queued(A),
        queued(B, retry_of=A),
        failed(A, "out of memory"),
        events.BuildFinished(build=B, outcome=pool.Outcome.BUILT),
        END,
    ]
    (case,) = suite(tmp_path, story).findall("testcase")
    assert case[0].tag == "flakyFailure"
    assert case[0].attrib["message"] == "out of memory"


def test_a_build_that_failed_again_repeats_its_failure(tmp_path: Path) -> None:
    story = [STARTED, queued(A), queued(B, retry_of=A), failed(A, "once"), failed(B, "twice"), END]
    found = suite(tmp_path, story)
    (case,) = found.findall("testcase")
    assert [child.tag for child in case][:2] == ["failure", "rerunFailure"]
    assert found.attrib["failures"] == "1"


def test_a_killed_run_has_an_error_where_it_was(tmp_path: Path) -> None:
    story = [STARTED, queued(A), events.BuildStarted(build=A, slot=1, t=9.0)]
    found = suite(tmp_path, story)
    error = found.find("testcase/error")
    assert error is not None
    assert error.attrib["message"].startswith("unfinished: the log ends")
    assert found.attrib["errors"] == "1"


def test_nested_builds_are_marked(tmp_path: Path) -> None:
    story = [STARTED, queued(A), queued(B, needed_by=(A,)), END]
    classes = [case.attrib["classname"] for case in suite(tmp_path, story).findall("testcase")]
    assert classes == ["wheelpool", "wheelpool.nested"]


def test_credentials_in_a_log_are_masked(tmp_path: Path) -> None:
    log = b"GET https://me:secret@host/x failed\n"
    found = suite(tmp_path, [STARTED, queued(A), failed(A, "no"), END], log)
    assert b"secret" not in ET.tostring(found)
    assert b"https://***@host/x" in ET.tostring(found)


def test_a_log_named_outside_of_its_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "private.log").write_text("private\n")
    story = [
        STARTED,
        events.BuildQueued(build=A, name="a", target="./a", log="../private.log"),
        failed(A, "no"),
        END,
    ]
    assert b"private" not in ET.tostring(suite(tmp_path, story))


def test_a_search_that_failed_is_an_error_of_the_run(tmp_path: Path) -> None:
    story = [STARTED, events.ResolveFailed(reference="no-match", message="a conflict"), END]
    found = suite(tmp_path, story)
    (case,) = found.findall("testcase")
    assert case.attrib["classname"] == "wheelpool.run"
    assert found.attrib["errors"] == "1"
