"""The request for the engine: all errors at once, merged files, required hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import pool
from app.config.request import ParsedRequest, parse_request
from app.config.sources import ConfigSources

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HASH = "sha256:" + "0" * 64


def request_of(
    cwd: Path, *targets: str, flags: Mapping[str, object] | None = None, **environ: str
) -> ParsedRequest:
    without_pip = {"PIP_CONFIG_FILE": "/dev/null", "HOME": str(cwd)}
    sources = ConfigSources(flags or {}, {**without_pip, **environ}, {})
    return parse_request(sources, targets, cwd)


def test_a_request_without_targets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(pool.TargetError, match="no targets given"):
        request_of(tmp_path)


def test_all_errors_are_collected(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("six==\nidna @@ x\n")
    flags = {"requirement": ("r.txt", "missing.txt"), "group": ("nothing",)}
    with pytest.raises(ExceptionGroup) as caught:
        request_of(tmp_path, "./missing", "six==", flags=flags)
    messages = [str(problem) for problem in caught.value.exceptions]
    for words in "./missing", "six==", "r.txt:1", "r.txt:2", "missing.txt", "pyproject.toml":
        assert any(words in message for message in messages), words


def test_editable_targets_come_after_the_others(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "pyproject.toml").touch()
    request = request_of(tmp_path, "six", flags={"editable": ("./tree",)}).request
    assert [spec.editable for spec in request.requirements] == [False, True]


def test_index_options_of_files_are_merged_and_the_last_index_counts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-i https://a.test/simple\n-f ./links\nsix\n")
    (tmp_path / "b.txt").write_text("-i https://b.test/simple\n--pre\nidna\n")
    parsed = request_of(tmp_path, flags={"requirement": ("a.txt", "b.txt")})
    assert parsed.index.index_url == "https://b.test/simple"
    assert len(parsed.index.find_links) == 1
    assert parsed.request.pre


def test_a_hash_in_a_file_requires_hashes_of_all(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text(f"six==1.17.0 --hash={HASH}\n")
    flags = {"requirement": ("r.txt",)}
    assert request_of(tmp_path, flags=flags).request.require_hashes
    with pytest.raises(ExceptionGroup) as caught:
        request_of(tmp_path, "idna", flags=flags)
    (problem,) = caught.value.exceptions
    assert str(problem) == "hashes are required for all requirements, but missing for idna"


def test_require_hashes_can_come_from_pip(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup, match="invalid requirements"):
        request_of(tmp_path, "idna", PIP_REQUIRE_HASHES="1")


def test_constraints_of_pip_and_of_flags_are_read(tmp_path: Path) -> None:
    for name in "pip", "ours":
        (tmp_path / f"{name}.txt").write_text(f"{name}<2\n")
    request = request_of(
        tmp_path,
        "six",
        flags={"constraint": ("ours.txt",)},
        PIP_CONSTRAINT=str(tmp_path / "pip.txt"),
    ).request
    assert len(request.constraints) == 2
