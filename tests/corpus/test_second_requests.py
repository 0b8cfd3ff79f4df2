"""Second requests of pages: a run keeps nothing of an index that was in trouble or had no such page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.corpus.case import Reply
from tests.corpus.http_server import FILE, JSON, PAGE, html, json_file, json_page, link
from tests.corpus.http_server import wheel_bytes as wheel
from tests.corpus.wheel_makers import make_environment
from tests.support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.corpus.case import Request
    from tests.corpus.http_server import CaseServer
    from tests.support.template_process import TemplateProcess

NEWER = "a-2.0-py3-none-any.whl"
OLD = html(link())
NEW = json_page(json_file(), json_file(filename=NEWER, url=f"/files/{NEWER}"), content_type=JSON)
EXTRA = "/extra/a/"
BUILD = ("build", "a", "--deps", "--no-ui", "-o", "out")
WITH_EXTRA = (*BUILD, "--extra-index-url", "{server}/extra")
INSTALL = ("install", "--no-ui", "--into", "env")


class Rerun(NamedTuple):
    """Two runs with one cache, and the pages of the server at each."""

    first: tuple[str, ...]
    pages: Mapping[str, Reply]
    first_words: str
    second: tuple[str, ...]
    later_pages: Mapping[str, Reply]
    second_words: str


BUSY, REFUSED = Reply(status=503), Reply(status=403)
RERUNS = {
    "unknown-project-appears": Rerun(BUILD, {}, "no project", BUILD, {PAGE: OLD}, "a 1.0"),
    "recent-page-is-used": Rerun(BUILD, {PAGE: OLD}, "a 1.0", BUILD, {PAGE: NEW}, "a 1.0"),
    "missing-version-is-asked-for-again": Rerun(
        BUILD, {PAGE: OLD}, "a 1.0", ("build", "a==2.0", *BUILD[2:]), {PAGE: NEW}, "a 2.0"
    ),
    "refresh-asks-again": Rerun(
        BUILD, {PAGE: OLD}, "a 1.0", (*BUILD, "--refresh", ":all:"), {PAGE: NEW}, "a 2.0"
    ),
    "upgrade-asks-again": Rerun(
        (*INSTALL, "a"), {PAGE: OLD}, "a 1.0", (*INSTALL, "-U", "a"), {PAGE: NEW}, "a 2.0"
    ),
    "index-in-trouble-recovers": Rerun(
        WITH_EXTRA,
        {PAGE: OLD, EXTRA: BUSY},
        "answered 503 Service Unavailable; it is left out",
        WITH_EXTRA,
        {PAGE: OLD, EXTRA: NEW},
        "a 2.0",
    ),
    "index-that-refused-is-asked-again": Rerun(
        WITH_EXTRA,
        {PAGE: OLD, EXTRA: REFUSED},
        "answered 403 Forbidden; it is left out",
        WITH_EXTRA,
        {PAGE: OLD, EXTRA: NEW},
        "a 2.0",
    ),
    "index-that-refuses-a-name-only-it-could-have": Rerun(
        WITH_EXTRA, {EXTRA: REFUSED}, "answered 403", WITH_EXTRA, {EXTRA: OLD}, "a 1.0"
    ),
    "page-that-disappears": Rerun(
        BUILD,
        {PAGE: OLD},
        "a 1.0",
        (*BUILD, "--refresh", ":all:"),
        {},
        "no project",
    ),
}


@pytest.mark.parametrize("rerun", RERUNS.values(), ids=RERUNS.keys())
def test_second_run_reads_the_pages_that_may_have_changed(
    rerun: Rerun,
    tmp_path: Path,
    template: TemplateProcess,
    case_server: CaseServer,
) -> None:
    (tmp_path / "home").mkdir()
    make_environment(tmp_path / "env")
    environ = {
        **Sandbox(root=tmp_path / "home", wheels=tmp_path / "none").environ,
        "PIP_NO_INDEX": "",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
        "PIP_INDEX_URL": f"{case_server.url}/simple",
    }
    files = {FILE: Reply(body=wheel()), f"/files/{NEWER}": Reply(body=wheel("2.0"))}

    def run(arguments: tuple[str, ...], pages: Mapping[str, Reply]) -> str:
        def answer(request: Request) -> Reply:
            return {**files, **pages}.get(request.path, Reply(status=404))

        case_server.answer = answer
        words = [case_server.expand(word) for word in arguments]
        done = template.run(words, environ=environ, folder=tmp_path, logs=tmp_path)
        return done.out + done.err

    assert rerun.first_words in run(rerun.first, rerun.pages)
    assert rerun.second_words in run(rerun.second, rerun.later_pages)
