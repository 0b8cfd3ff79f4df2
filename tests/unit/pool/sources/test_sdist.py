"""Metadata without a build: taken where it is promised, left to a build where it is not."""

from __future__ import annotations

import tarfile
from contextlib import suppress
from email.parser import HeaderParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.common.errors import ArchiveError
from pool.sources import sdist as sdistfile
from pool.sources.archives import SUFFIXES
from pool.sources.sdist import read_static_metadata, read_static_tree_metadata
from tests.support.makers import make_sdist, write_tar

if TYPE_CHECKING:
    from pathlib import Path

STATIC = "Metadata-Version: 2.2\nName: thing\nVersion: 1.0\nRequires-Dist: other>=2\n"


def sdist_with(folder: Path, info: str, suffix: str = ".tar.gz") -> Path:
    return make_sdist(folder, "thing", files={"PKG-INFO": info}, suffix=suffix)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_static_metadata_is_read_from_every_kind_of_sdist(tmp_path: Path, suffix: str) -> None:
    assert read_static_metadata(sdist_with(tmp_path, STATIC, suffix)) == STATIC


@pytest.mark.parametrize(
    "info",
    [
        STATIC.replace("2.2", "2.1"),
        STATIC.replace("2.2", "nonsense"),
        STATIC.replace("2.2", "9" * 5000),
        STATIC.replace("Metadata-Version: 2.2\n", ""),
        STATIC.replace("Name: thing\n", ""),
        STATIC + "Dynamic: Requires-Dist\n",
        STATIC + "Dynamic: description\nDynamic: VERSION\n",
        STATIC + "Dynamic: provides-extra\n",
        STATIC + "Dynamic: Requires-Python\n",
    ],
)
def test_dynamic_metadata_is_left_to_the_build(tmp_path: Path, info: str) -> None:
    assert read_static_metadata(sdist_with(tmp_path, info)) is None


def test_other_fields_may_be_dynamic(tmp_path: Path) -> None:
    info = STATIC.replace("2.2", "2.4") + "Dynamic: license-file\nDynamic: Classifier\n"
    assert read_static_metadata(sdist_with(tmp_path, info)) == info


def member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "elsewhere"
    return info


def test_only_the_one_at_the_root_counts(tmp_path: Path) -> None:
    path = tmp_path / "thing-1.0.tar.gz"
    text = STATIC.encode()
    for name in ("PKG-INFO", "thing-1.0/thing.egg-info/PKG-INFO", "thing-1.0/NOT-PKG-INFO"):
        assert read_static_metadata(write_tar(path, (member(name), text))) is None
    assert read_static_metadata(write_tar(path, (member("./thing-1.0//PKG-INFO"), text))) == STATIC
    rubbish = (member("__MACOSX/PKG-INFO"), b"x"), (member("THING-1_0/PKG-INFO"), text)
    assert read_static_metadata(write_tar(path, *rubbish)) == STATIC


def test_a_link_a_huge_one_and_one_that_is_no_text_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, name = tmp_path / "thing-1.0.tar.gz", "thing-1.0/PKG-INFO"
    assert read_static_metadata(write_tar(path, (member(name, tarfile.SYMTYPE), b""))) is None
    assert read_static_metadata(write_tar(path, (member(name), STATIC.encode() + b"\xff"))) is None
    monkeypatch.setattr(sdistfile, "MAX_METADATA", len(STATIC) - 1)
    assert read_static_metadata(write_tar(path, (member(name), STATIC.encode()))) is None
    assert read_static_metadata(sdist_with(tmp_path, STATIC, ".zip")) is None


def test_only_the_beginning_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = (member("thing-1.0/data"), bytes(3 << 20))
    path = write_tar(
        tmp_path / "thing-1.0.tar.gz", large, (member("thing-1.0/PKG-INFO"), STATIC.encode())
    )
    assert read_static_metadata(path) == STATIC
    monkeypatch.setattr(sdistfile, "MAX_BYTES", 1 << 20)
    assert read_static_metadata(path) is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_sdist_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"thing-1.0{suffix}"
    path.write_bytes(b"not this")
    with pytest.raises(ArchiveError, match=r"thing-1\.0.*: damaged"):
        read_static_metadata(path)


@given(at=st.integers(0, 4000), byte=st.integers(0, 255), cut=st.booleans())
def test_no_damage_is_a_crash(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, *, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = sdist_with(folder, STATIC, ".tar.gz" if byte % 2 else ".zip")
    data = path.read_bytes()
    at %= len(data)
    path.write_bytes(data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :])
    with suppress(ArchiveError):
        read_static_metadata(path)


PROJECT = """
[project]
name = "Thing"
version = "1.0"
requires-python = ">=3.9"
dependencies = ["other>=2 ; python_version < '4'", "url @ https://host.test/x.whl"]
[project.optional-dependencies]
Fast_er = ["quick ; sys_platform == 'linux' or os_name == 'nt'", "plain[all]"]
"""


def tree_with(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_a_static_project_table_is_metadata(tmp_path: Path) -> None:
    text = read_static_tree_metadata(tree_with(tmp_path, PROJECT))
    headers = HeaderParser().parsestr(text or "")
    assert (headers["Name"], headers["Version"], headers["Requires-Python"]) == (
        "Thing",
        "1.0",
        ">=3.9",
    )
    assert headers.get_all("Provides-Extra") == ["fast-er"]
    assert headers.get_all("Requires-Dist") == [
        'other>=2; python_version < "4"',
        "url @ https://host.test/x.whl",
        'quick; (sys_platform == "linux" or os_name == "nt") and extra == "fast-er"',
        'plain[all]; extra == "fast-er"',
    ]


@pytest.mark.parametrize("field", ["version", "dependencies", "optional-dependencies"])
def test_a_dynamic_field_is_left_to_a_build(tmp_path: Path, field: str) -> None:
    text = f'[project]\nname = "a"\nversion = "1"\ndynamic = ["{field}"]\n'
    assert read_static_tree_metadata(tree_with(tmp_path, text)) is None
    assert (
        read_static_tree_metadata(tree_with(tmp_path, text.replace(f'["{field}"]', '["readme"]')))
        is not None
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[project",
        "project = 3",
        '[project]\nname = "a"',
        '[project]\nname = "a"\nversion = "x"',
        '[project]\nname = "a\\nVersion: 2"\nversion = "1"',
        '[project]\nname = "a"\nversion = "1"\ndependencies = "b"',
        '[project]\nname = "a"\nversion = "1"\ndependencies = [1]',
        '[project]\nname = "a"\nversion = "1"\nrequires-python = "three"',
        '[project]\nname = "a"\nversion = "1"\noptional-dependencies = []',
        '[project]\nname = "a"\nversion = "1"\n[tool.poetry.dependencies]\nb = "*"',
    ],
)
def test_a_table_that_is_none_or_not_all_is_left_to_a_build(tmp_path: Path, text: str) -> None:
    assert read_static_tree_metadata(tree_with(tmp_path, text)) is None


def test_a_tree_without_pyproject_is_left_to_a_build(tmp_path: Path) -> None:
    assert read_static_tree_metadata(tmp_path) is None
