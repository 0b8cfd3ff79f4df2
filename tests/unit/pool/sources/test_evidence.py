"""Evidence of an answer ends with its pages, and with any change of its files."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pool.sources.evidence import Evidence, merge_evidence, observe_paths

LATER = time.time() + 1e6
"""A time at which the files of a test are old."""


def test_evidence_of_pages_ends_with_the_oldest() -> None:
    pages = Evidence(since=10, until=610), Evidence(since=50, until=650)
    both = merge_evidence(pages)
    assert both is not None
    assert [both.is_valid(now) for now in (49, 50, 609, 610)] == [False, True, True, False]
    assert merge_evidence((*pages, None)) is None


def test_evidence_of_files_ends_with_a_change(tmp_path: Path) -> None:
    file, missing = tmp_path / "a", tmp_path / "missing"
    file.write_bytes(b"1")
    observed = observe_paths((tmp_path, file, missing), LATER)
    assert observed is not None
    assert merge_evidence((observed, Evidence())) == observed
    assert observed.is_valid(LATER)
    times = file.stat()
    file.write_bytes(b"2")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not observed.is_valid(LATER)


def test_evidence_of_a_file_that_appears_ends(tmp_path: Path) -> None:
    observed = observe_paths((tmp_path / "missing",), LATER)
    assert observed is not None
    (tmp_path / "missing").mkdir()
    assert not observed.is_valid(LATER)


def test_young_files_are_no_evidence(tmp_path: Path) -> None:
    assert observe_paths((tmp_path,), time.time()) is None
