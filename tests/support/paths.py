"""Where the repository's own files are, for tests at any depth."""

from __future__ import annotations

from pathlib import Path

SUPPORT = Path(__file__).parent
TESTS = SUPPORT.parent
ROOT = TESTS.parent
RECORDINGS = TESTS / "recordings"
DAY = RECORDINGS / "day.jsonl"
JUNIT_SCHEMA = SUPPORT / "junit-10.xsd"
PINNED = SUPPORT / "pinned.txt"
