"""The HTML page: foreign text is never markup, nothing is fetched, and its size is bounded."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pool
from app.reports.html import render_html
from app.reports.markup import document, element
from app.reports.timeline_svg import SHADES
from app.runs.record import read_record
from app.text.spans import SPAN_NAMES, landmark_text
from pool import LimitName, Outcome, Phase, WaitFor, events
from tests.support.home import write_journal
from tests.support.paths import RECORDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

A = pool.BuildId("b1")
LIMITS = {LimitName.BUILDS: 2, LimitName.MEMORY: 1 << 30}
STARTED = events.RunStarted(limits=LIMITS, targets=1, out_dir="w", logs="logs")
END = events.RunFinished(exit_code=1, totals={})
HOSTILE = "</title></style></script><img src=x onerror=alert(1)>\"'&amp;\x1b[31m\x00\x9b\u202egpj"
OURS = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "code", "dl",
    "div", "dt", "dd", "figcaption", "figure", "svg", "rect", "line", "path", "text", "details", "summary", "ul",
    "li", "section", "pre", "table", "thead", "tbody", "tr", "th", "td", "footer",
}  # fmt: skip


class Seen(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, set[str]] = {}
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        self.text = "".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(folder: Path, story: Sequence[events.KnownEvent], log: bytes = b"") -> Seen:
    journal = write_journal(folder, story)
    pool.logs_path(journal).mkdir(exist_ok=True)
    (pool.logs_path(journal) / "b1.log").write_bytes(log)
    return Seen(render_html(read_record(journal)))


def queued(name: str = "a") -> events.BuildQueued:
    return events.BuildQueued(build=A, name=name, target=name, log="b1.log")


@pytest.mark.parametrize("recording", ["day", "install"])
def test_recorded_run_has_all_builds_and_landmarks(recording: str) -> None:
    record = read_record(RECORDINGS / f"{recording}.jsonl")
    seen = Seen(render_html(record))
    assert not seen.open
    assert set(seen.tags) <= OURS
    for build in record.state.builds.values():
        assert build.label in seen.text
    for build in record.failed:
        assert build.message in seen.text
    for mark in record.timeline.landmarks:
        assert landmark_text(mark, record.state.builds) in seen.text
    assert seen.attributes["viewbox"]
    assert {f"slot {slot}" in seen.text for slot in record.timeline.slots} == {True}


def test_nothing_is_fetched_and_no_script_is_run() -> None:
    text = render_html(read_record(RECORDINGS / "day.jsonl"))
    seen = Seen(text)
    assert not {"src", "href", "style", "onload", "onerror"} & set(seen.attributes)
    assert "script" not in seen.tags
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'; style-src 'unsafe-inline'" in seen.attributes["content"]


def test_hostile_names_messages_and_logs_are_only_text(tmp_path: Path) -> None:
    holder = pool.Holder(pid=1, command=HOSTILE)
    story: list[events.KnownEvent] = [
        STARTED,
        queued(HOSTILE),
        events.BuildWaiting(build=A, for_=WaitFor.LOCK, on=HOSTILE, holder=holder),
        events.BuildStarted(build=A, slot=1),
        events.BuildPhase(build=A, phase=Phase.BUILD),
        events.BuildOutput(build=A, lines=2, bytes=9, last=HOSTILE),
        events.ResolveFailed(reference="x", message=HOSTILE, hint=HOSTILE),
        events.BuildFinished(
            build=A, outcome=Outcome.FAILED, message=HOSTILE, hint=HOSTILE, rerun=HOSTILE, seconds=1
        ),
        END,
    ]
    seen = page(tmp_path, story, log=HOSTILE.encode() + b"\n")
    assert not seen.open
    assert set(seen.tags) <= OURS
    assert "onerror" not in seen.attributes
    assert "<img src=x onerror=alert(1)>\"'&amp;" in seen.text
    assert not [char for char in seen.text if char in "\x1b\x00\x9b\u202e"]


def test_killed_run_lists_unfinished_builds(tmp_path: Path) -> None:
    seen = page(tmp_path, [STARTED, queued(), events.BuildStarted(build=A, slot=1)])
    assert "The log ends here, before the run finished: 1 build unfinished." in seen.text
    assert "unfinished: building" in seen.text


def test_a_failure_has_its_log_and_the_command(tmp_path: Path) -> None:
    failed = events.BuildFinished(
        build=A,
        outcome=Outcome.FAILED,
        cause="no header",
        message="no; really",
        hint="do it",
        rerun="cd x && make",
    )
    output = events.BuildOutput(build=A, lines=2, bytes=9, last="x")
    seen = page(tmp_path, [STARTED, queued(), output, failed, END], b"first\nlast words\n")
    for words in ("first\nlast words", "Rerun: ", "cd x && make", "really"):
        assert words in seen.text
    for words in ("no header", "Fix: do it", "Log: "):
        assert words in seen.text


def test_long_command_and_fix_are_whole(tmp_path: Path) -> None:
    words = " ".join(f"--define=NAME_{number}={number}" for number in range(60))
    failed = events.BuildFinished(
        build=A, outcome=Outcome.FAILED, message="no", hint=f"use {words}", rerun=f"make {words}"
    )
    text = page(tmp_path, [queued(), failed]).text
    assert f"use {words}" in text
    assert f"make {words}" in text


def test_a_run_that_did_nothing_has_a_page(tmp_path: Path) -> None:
    seen = page(tmp_path, [STARTED, END])
    assert "nothing built" in seen.text
    assert "table" not in seen.tags


def test_ten_thousand_builds_with_long_logs_are_a_page_of_some_megabytes(tmp_path: Path) -> None:
    story: list[events.KnownEvent] = [STARTED]
    for n in range(10_000):
        build = pool.BuildId(f"b{n}")
        name = f"name-of-some-length-{n}"
        slot = 1 + n % 50
        story += [
            events.BuildQueued(build=build, name=name, target=name, log="b1.log"),
            events.BuildStarted(build=build, slot=slot),
            events.BuildPhase(build=build, phase=Phase.BUILD),
            events.BuildFinished(build=build, outcome=Outcome.FAILED, message="m" * 2000),
        ]
    journal = write_journal(tmp_path, [*story, END])
    pool.logs_path(journal).mkdir(exist_ok=True)
    (pool.logs_path(journal) / "b1.log").write_bytes((b"x" * 5000 + b"\n") * 1000)
    text = render_html(read_record(journal))
    assert len(text) < 4_000_000
    seen = Seen(text)
    assert seen.tags.count("rect") < 7000
    assert "and 9000 more builds" in seen.text


def test_every_kind_of_span_has_a_colour() -> None:
    style = Path(render_html.__code__.co_filename).with_name("html.css").read_text()
    assert set(SHADES) == set(SPAN_NAMES)
    for shade in set(SHADES.values()):
        assert f"rect.{shade} {{ fill:" in style
        assert style.count(f"--{shade}: #") == 2, "one for light, one for dark"


def test_text_stays_in_order_around_elements() -> None:
    made = element("p", "a<", element("b", "&", class_="x"), ">c", "d", aria_label='"')
    assert document(made) == (
        '<!doctype html>\n<p aria-label="&quot;">a&lt;<b class="x">&amp;</b>&gt;cd</p>\n'
    )
