"""The Markdown page: its parts, and that foreign text cannot change the layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pool
from app.reports.markdown import render_markdown
from app.runs.record import read_record
from pool import events
from tests.support.home import write_journal
from tests.support.paths import RECORDINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

STARTED = events.RunStarted(limits={pool.LimitName.BUILDS: 2}, targets=1, out_dir="w", logs="logs")
END = events.RunFinished(exit_code=1, totals={})


def queued(number: int, name: str = "a", **facts: Any) -> events.BuildQueued:
    build = pool.BuildId(f"b{number}")
    return events.BuildQueued(build=build, name=name, target="./a", log=f"{build}.log", **facts)


def failed(number: int, message: str = "no compiler") -> events.BuildFinished:
    return events.BuildFinished(
        build=pool.BuildId(f"b{number}"), outcome=pool.Outcome.FAILED, message=message, seconds=2.0
    )


def page(folder: Path, story: Iterable[Any], log: bytes = b"") -> str:
    journal = write_journal(folder, list(story))
    (pool.logs_path(journal) / "b1.log").write_bytes(log)
    return render_markdown(read_record(journal))


def test_a_recorded_run_has_all_its_parts() -> None:
    text = render_markdown(read_record(RECORDINGS / "day.jsonl"))
    titles = [line for line in text.splitlines() if line.startswith("#")]
    assert titles == [
        "## wheelpool: 1 skipped, 2 cancelled, 2 failed, 1 fetched, 2 cached, 14 built in 2 min 55 s",
        "### Failed",
        "### Slowest",
        "### Most memory",
        "### Waited",
        "### Timings",
    ]
    assert "<summary>17 wheels</summary>" in text
    assert "| my-core 2.1.0 | wait for a lock | 2 min 42 s | /home/me/work/my-core, held by" in text


def test_a_failure_has_why_and_the_end_of_its_log(tmp_path: Path) -> None:
    log = b"".join(b"line %d\n" % n for n in range(1000))
    text = page(tmp_path, [STARTED, queued(1), failed(1), END], log)
    assert "| a | no compiler |  | 2.0 s |  |" in text
    assert "line 999\n```\n" in text
    assert "line 900\n" not in text


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("a|b", r"a\|b"),
        ("<script>", r"\<script\>"),
        ("`x` *y* [z](u)", r"\`x\` \*y\* \[z\](u)"),
        ("get_requires __all__", r"get_requires \__all_\_"),
        ("two\nlines", "two"),
    ],
)
def test_foreign_text_is_shown_as_it_is(tmp_path: Path, foreign: str, shown: str) -> None:
    text = page(tmp_path, [STARTED, queued(1), failed(1, foreign), END])
    assert f"| a | {shown} |  | 2.0 s |  |" in text


def test_a_log_cannot_end_the_block_that_it_is_in(tmp_path: Path) -> None:
    text = page(tmp_path, [STARTED, queued(1), failed(1), END], b"```\n# not a title\n")
    assert "````text\n```\n# not a title\n````\n" in text


def test_markdown_of_a_killed_run_mentions_it(tmp_path: Path) -> None:
    text = page(
        tmp_path, [STARTED, queued(1), events.BuildStarted(build=pool.BuildId("b1"), slot=1)]
    )
    assert text.startswith("## wheelpool: nothing built in 2.0 s, unfinished\n")
    assert "before the run finished: 1 build unfinished**" in text
    assert "| a | between phases | 0.0 s |  |" in text


def test_a_page_of_ten_thousand_failures_is_one_that_github_takes(tmp_path: Path) -> None:
    story: list[Any] = [STARTED]
    for number in range(1, 10_001):
        story += [queued(number, "n" * 400), failed(number, "m" * 4000)]
    text = page(tmp_path, [*story, END], b"x" * 10_000 + b"\n")
    assert len(text.encode()) < 1 << 20
    assert "and 9900 more failed builds" in text
