"""Paths, URLs and values with a byte that is not UTF-8: Linux allows it in all of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.corpus.case import Case, built, failed, refused
from tests.support.makers import make_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[[Path], list[str]]

BYTE = os.fsdecode(b"b\xff")
NOWHERE = f"http://127.0.0.1:1/{BYTE}"
WHEEL = "t-1.0-py3-none-any.whl"


def _tree(*options: str) -> Make:
    """Return a maker of a tree in a folder with such a name, built with options."""

    def make(folder: Path) -> list[str]:
        make_tree(folder, "t").rename(folder / BYTE)
        return ["build", f"./{BYTE}", *options]

    return make


def _beside(*options: str) -> Make:
    def make(folder: Path) -> list[str]:
        make_tree(folder, "t")
        return ["build", "./t-1.0", *options]

    return make


def _words(*words: str) -> Make:
    return lambda _folder: ["build", *words]


def _lines(content: bytes) -> Make:
    def make(folder: Path) -> list[str]:
        (folder / "r.txt").write_bytes(content)
        return ["build", "-r", "r.txt"]

    return make


NOT_UTF8 = "not valid UTF-8"

CASES = [
    Case("tree", "D", _tree(), refused(NOT_UTF8)),
    Case("log", "D", _beside("--log", f"{BYTE}.jsonl"), built(WHEEL)),
    Case("setting", "D", _beside("-C", f"{BYTE}={BYTE}"), built(WHEEL)),
    Case("variable", "D", _beside(), built(WHEEL), environ=(("CFLAGS", BYTE),)),
    Case(
        "job-summary",
        "D",
        _beside(),
        built(WHEEL),
        environ=(("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", BYTE)),
    ),
    Case("python", "D", _beside("--python", BYTE), refused("this Python cannot be used")),
    Case(
        "find-links-page",
        "D",
        _words("t", "--find-links", NOWHERE),
        failed("not a URL: it is " + NOT_UTF8),
    ),
    Case(
        "find-links-folder",
        "D",
        _words("t", "--find-links", f"file:///{BYTE}"),
        failed("no such file or directory"),
    ),
    Case("requirements-file", "D", _words("-r", BYTE), refused("no such file or directory")),
    Case("requirements-url", "D", _words("-r", NOWHERE), refused("not a URL")),
    Case("archive-url", "D", _words(f"{NOWHERE}/t-1.zip"), refused(NOT_UTF8)),
    Case("git-url", "D", _words(f"git+file:///{BYTE}"), refused(NOT_UTF8)),
    Case("git-reference", "D", _words(f"git+file:///x@{BYTE}"), refused(NOT_UTF8)),
    Case("requirement", "D", _words(f"x=={BYTE}"), refused(NOT_UTF8)),
    Case("marker", "D", _words(f"x; {BYTE}"), refused(NOT_UTF8)),
    Case("line", "D", _lines(b"t @ file:///b\xff.zip\n"), refused("save it as UTF-8")),
]
