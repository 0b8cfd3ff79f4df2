"""The distributions of an environment, found by their metadata folders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name

from pool.install.installed import installed_distributions
from pool.install.layout import WheelToInstall
from pool.install.staging import discard, stage
from pool.install.transaction import commit

if TYPE_CHECKING:
    from tests.support.installs import Yard

DOTTED = canonicalize_name("Some.Dotted-Name")


def test_an_empty_environment_has_no_distributions(yard: Yard) -> None:
    assert installed_distributions(yard.env) == {}


def test_names_and_versions_come_from_folder_names(yard: Yard) -> None:
    yard.put(yard.wheel("Some.Dotted-Name", "1.0+local.1"), yard.wheel("b", "2024.1"))
    found = installed_distributions(yard.env)
    assert {name: one.version for name, one in found.items()} == {
        DOTTED: "1.0+local.1",
        "b": "2024.1",
    }
    one = found[DOTTED]
    assert "Name: Some.Dotted-Name\n" in one.metadata
    assert one.installer == "wheelpool"
    assert one.record is not None
    assert any(path.endswith("/RECORD") for path in one.record)
    assert (one.direct_url, one.editable, one.requested) == (None, False, False)


def test_requested_and_direct_url_are_read(yard: Yard) -> None:
    url = {"url": "file:///src/a", "dir_info": {"editable": True}}
    item = WheelToInstall(wheel=yard.wheel("a"), requested=True, direct_url=url)
    staged = stage(yard.env, [item])
    commit(staged)
    discard(staged)
    one = installed_distributions(yard.env)[canonicalize_name("a")]
    assert (one.direct_url, one.editable, one.requested) == (url, True, True)


def test_eggs_are_found(yard: Yard) -> None:
    (yard.site / "old-1.2-py3.11.egg-info").write_text("Metadata-Version: 1.0\nName: old\n")
    (yard.site / "dev_elop.egg-link").write_text("/src/develop\n.")
    (yard.site / "flat-3.egg-info").mkdir()
    (yard.site / "flat-3.egg-info/PKG-INFO").write_text("Name: flat\n")
    found = installed_distributions(yard.env)
    assert {name: (one.version, one.kind) for name, one in found.items()} == {
        "old": ("1.2", "egg-info"),
        "dev-elop": ("", "egg-link"),
        "flat": ("3", "egg-info"),
    }
    assert {one.record for one in found.values()} == {None, ("dev_elop.egg-link",)}
    assert found[canonicalize_name("old")].metadata.startswith("Metadata-Version: 1.0")
    assert found[canonicalize_name("dev-elop")].editable


def test_leftovers_are_no_distributions(yard: Yard) -> None:
    for name in ("~ip-1.0.dist-info", "empty-1.0.dist-info", ".dist-info", "x.dist-info.bak"):
        (yard.site / name).mkdir()
    assert installed_distributions(yard.env) == {}


def test_of_two_with_the_same_name_the_newer_counts(yard: Yard) -> None:
    for version in ("1.9", "1.10", "nonsense"):
        info = yard.site / f"x-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: x\nVersion: {version}\n")
    assert [one.version for one in installed_distributions(yard.env).values()] == ["1.10"]


def test_quoted_record_rows_are_parsed(yard: Yard) -> None:
    info = yard.site / "x-1.dist-info"
    info.mkdir()
    (info / "METADATA").touch()
    (info / "RECORD").write_text('a.py,sha256=x,1\r\n"b, ""c"".py",,\r\n')
    assert installed_distributions(yard.env)[canonicalize_name("x")].record == ("a.py", 'b, "c".py')


@pytest.mark.parametrize(
    "record", [f'"{"x" * 200_000}"\n', '"a\0b",,\n', '"\n', '"a"b\rc,,\n', "\udcff,,\n"]
)
def test_record_with_lines_that_are_no_rows_leaves_them_out(yard: Yard, record: str) -> None:
    yard.put(yard.wheel("a"))
    (file,) = yard.site.glob("a-*.dist-info/RECORD")
    with file.open("a", encoding="utf-8", errors="surrogateescape", newline="") as record_file:
        record_file.write(record)
    yard.put(remove=[canonicalize_name("a")])
    assert not (yard.site / "a.py").exists()


def test_direct_url_that_is_nested_too_deeply_counts_as_none(yard: Yard) -> None:
    yard.put(yard.wheel("a"))
    (folder,) = yard.site.glob("a-*.dist-info")
    (folder / "direct_url.json").write_text('{"x":' + "[" * 100_000)
    one = installed_distributions(yard.env)[canonicalize_name("a")]
    assert (one.direct_url, one.editable) == (None, False)


@pytest.mark.parametrize("name", ["METADATA", "INSTALLER", "direct_url.json"])
def test_pipe_in_a_metadata_folder_is_not_opened(yard: Yard, name: str) -> None:
    yard.put(yard.wheel("a"))
    (folder,) = yard.site.glob("a-*.dist-info")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    one = installed_distributions(yard.env)[canonicalize_name("a")]
    assert one.direct_url is None
    assert name != "METADATA" or one.metadata == ""
    assert name != "INSTALLER" or one.installer == ""


def test_egg_link_with_a_null_character_is_removed(yard: Yard) -> None:
    (yard.site / "a.egg-link").write_text("/tree\0x\n.")
    (yard.site / "easy-install.pth").write_text("/tree\0x\n/other\n")
    yard.put(remove=[canonicalize_name("a")])
    assert not (yard.site / "a.egg-link").exists()
    assert "/other\n" in (yard.site / "easy-install.pth").read_text()
