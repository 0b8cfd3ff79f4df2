"""Archives: good ones come out whole, bad ones are refused by name and leave nothing."""

from __future__ import annotations

import bz2
import gzip
import os
import random
import stat
import tarfile
import threading
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pool.common.cancellation import WorkCancelledError, observe_flag
from pool.common.errors import ArchiveError
from pool.sources.archives import SUFFIXES, limits
from pool.sources.archives.archive import unpack
from tests.support.makers import make_sdist, write_tar


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime = kind, link, mode, 1_600_000_000
    return info


def refusal(sdist: Path, tmp_path: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        unpack(sdist, tmp_path / "src")
    assert not (tmp_path / "src").exists()
    message = str(caught.value)
    assert message.startswith(sdist.name)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_sdist_is_unpacked(tmp_path: Path, suffix: str) -> None:
    sdist = make_sdist(
        tmp_path, "thing", "1.0", files={"deep/er/data.txt": "x" * 100_000}, suffix=suffix
    )
    root = unpack(sdist, tmp_path / "src")
    assert root == tmp_path / "src" / "thing-1.0"
    assert (root / "deep" / "er" / "data.txt").read_text() == "x" * 100_000
    assert (root / "pyproject.toml").is_file()


@pytest.mark.parametrize("compress", [bytes, bz2.compress])
def test_the_compression_of_a_tar_is_detected_from_its_content(
    tmp_path: Path, compress: type[bytes]
) -> None:
    sdist = make_sdist(tmp_path, "thing")
    sdist.write_bytes(compress(gzip.decompress(sdist.read_bytes())))
    assert unpack(sdist, tmp_path / "src").name == "thing-1.0"


def test_times_and_executable_bits_are_preserved_and_dangerous_modes_are_not(
    tmp_path: Path,
) -> None:
    sdist = write_tar(
        tmp_path / "a-1.tar.gz",
        (member("a-1/setup.py", mode=0o6777), b""),
        (member("a-1/data", mode=0o000), b"x"),
    )
    root = unpack(sdist, tmp_path / "src")
    assert (root / "setup.py").stat().st_mode & 0o7777 == 0o777 & ~_umask()
    assert (root / "data").stat().st_mode & 0o7777 == 0o666 & ~_umask()
    assert (root / "data").stat().st_mtime == 1_600_000_000


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_links_inside_are_made(tmp_path: Path) -> None:
    sdist = write_tar(
        tmp_path / "a-1.tar.gz",
        (member("a-1/real/file"), b"text"),
        (member("a-1/soft", tarfile.SYMTYPE, "real/../real/file"), b""),
        (member("a-1/sub/up", tarfile.SYMTYPE, "../real"), b""),
        (member("a-1/hard", tarfile.LNKTYPE, "a-1/real/file"), b""),
    )
    root = unpack(sdist, tmp_path / "src")
    assert {(root / path).read_text() for path in ("soft", "hard", "sub/up/file")} == {"text"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (member("../evil"), "leads out"),
        (member("a-1/../../evil"), "leads out"),
        (member("/evil"), "absolute"),
        (member("a-1/l", tarfile.SYMTYPE, "/etc/passwd"), "absolute"),
        (member("a-1/l", tarfile.SYMTYPE, "../../evil"), "outside"),
        (member("a-1/l", tarfile.SYMTYPE, "x/../../../evil"), "outside"),
        (member("a-1/l", tarfile.SYMTYPE, ""), "link"),
        (member("a-1/l", tarfile.LNKTYPE, "../evil"), "leads out"),
        (member("a-1/l", tarfile.LNKTYPE, "/etc/passwd"), "absolute"),
        (member("a-1/l", tarfile.LNKTYPE, "a-1/missing"), "not an earlier file"),
        (member("a-1/null", tarfile.CHRTYPE), "device"),
        (member("a-1/disk", tarfile.BLKTYPE), "device"),
        (member("a-1/pipe", tarfile.FIFOTYPE), "pipe"),
    ],
)
def test_a_tar_that_would_reach_out_is_refused(
    tmp_path: Path, bad: tarfile.TarInfo, reason: str
) -> None:
    sdist = write_tar(tmp_path / "a-1.tar.gz", (member("a-1/setup.py"), b""), (bad, b""))
    message = refusal(sdist, tmp_path)
    assert reason in message
    assert repr(bad.name) in message or repr(bad.linkname) in message
    assert not (tmp_path / "evil").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    sdist = write_tar(
        tmp_path / "a-1.tar.gz",
        (member("a-1/x"), b""),
        # Each link is inside as far as its name tells; together they would lead out.
        (member("a-1/d/e/s", tarfile.SYMTYPE, "../.."), b""),
        (member("a-1/d/e/s/../../../outside/evil"), b"x"),
    )
    assert "leads out" in refusal(sdist, tmp_path)
    sdist = write_tar(
        tmp_path / "b-1.tar.gz",
        (member("a-1/s", tarfile.SYMTYPE, "."), b""),
        (member("a-1/s/file"), b"x"),
    )
    assert "goes through a link" in refusal(sdist, tmp_path)


@pytest.mark.parametrize("name", ["../evil", "/evil", "a-1/../../evil"])
def test_a_zip_that_would_reach_out_is_refused(tmp_path: Path, name: str) -> None:
    sdist = tmp_path / "a-1.zip"
    with zipfile.ZipFile(sdist, "w") as zipped:
        zipped.writestr("a-1/setup.py", "")
        zipped.writestr(name, "x")
    assert repr(name) in refusal(sdist, tmp_path)


def write_zip_link(path: Path, target: str) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("a-1/setup.py", "text")
        link = zipfile.ZipInfo("a-1/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped.writestr(link, target)
    return path


def test_links_in_a_zip_are_made_by_the_rules_for_tars(tmp_path: Path) -> None:
    root = unpack(write_zip_link(tmp_path / "a-1.zip", "setup.py"), tmp_path / "unpacked")
    assert (root / "link").is_symlink()
    assert (root / "link").read_text() == "text"
    for target, reason in (("/etc/passwd", "absolute"), ("../../x", "outside"), ("", "no valid")):
        assert reason in refusal(write_zip_link(tmp_path / "b-1.zip", target), tmp_path)


def test_a_member_replaces_an_earlier_link_and_is_not_written_through_it(tmp_path: Path) -> None:
    sdist = write_tar(
        tmp_path / "a-1.tar.gz",
        (member("a-1/setup.py"), b"old"),
        (member("a-1/s", tarfile.SYMTYPE, "setup.py"), b""),
        (member("a-1/s", tarfile.SYMTYPE, "setup.py"), b""),
        (member("a-1/s"), b"new"),
    )
    root = unpack(sdist, tmp_path / "src")
    assert ((root / "setup.py").read_text(), (root / "s").read_text()) == ("old", "new")


def test_a_hard_link_to_a_link_is_the_same_link(tmp_path: Path) -> None:
    link = member("a-1/sub/soft", tarfile.SYMTYPE, "../setup.py")
    hard = member("a-1/sub/hard", tarfile.LNKTYPE, "a-1/sub/soft")
    evil = member("hard", tarfile.LNKTYPE, "a-1/sub/soft")
    setup = (member("a-1/setup.py"), b"text")
    sdist = write_tar(tmp_path / "a-1.tar.gz", setup, (link, b""), (hard, b""))
    assert (unpack(sdist, tmp_path / "unpacked") / "sub" / "hard").read_text() == "text"
    sdist = write_tar(tmp_path / "b-1.tar.gz", setup, (link, b""), (evil, b""))
    assert "outside of the archive" in refusal(sdist, tmp_path)


def test_times_that_a_zip_cannot_hold_are_moved_to_the_nearest(tmp_path: Path) -> None:
    members = []
    for name, mtime in (("old", 0), ("new", 1 << 33), ("older", -5)):
        info = member(f"a-1/{name}")
        info.mtime = mtime
        members.append((info, b""))
    root = unpack(write_tar(tmp_path / "a-1.tar.gz", *members), tmp_path / "src")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as out:
        for name in ("old", "new", "older"):
            out.write(root / name)
    years = [info.date_time[0] for info in out.infolist()]
    assert years == [1980, 2107, 1980]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_archive_is_refused_wherever_it_breaks_off(tmp_path: Path, suffix: str) -> None:
    noise = random.Random(1).randbytes(3000).hex()
    sdist = make_sdist(tmp_path, "thing", files={"noise": noise}, suffix=suffix)
    # Zeros at the end of a tar are padding.
    whole = sdist.read_bytes().rstrip(b"\0")
    for size in (0, 1, 10, len(whole) // 3, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        sdist.write_bytes(whole[:size])
        assert "damaged" in refusal(sdist, tmp_path)


def test_a_flipped_bit_is_noticed_by_the_checksum(tmp_path: Path) -> None:
    sdist = tmp_path / "thing-1.0.tar.gz"
    plain = gzip.decompress(make_sdist(tmp_path, "thing").read_bytes())
    stored = bytearray(gzip.compress(plain, compresslevel=0))
    stored[stored.index(b"build_wheel")] ^= 1
    sdist.write_bytes(stored)
    assert "damaged" in refusal(sdist, tmp_path)


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_a_bomb_is_refused(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(limits, "MAX_RATIO", 100)
    sdist = make_sdist(tmp_path, "bomb", files={"zeros": "0" * (8 << 20)}, suffix=suffix)
    assert "unpacks to more than is allowed" in refusal(sdist, tmp_path)


def test_a_bomb_behind_the_end_of_the_tar_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(limits, "MAX_RATIO", 1)
    sdist = make_sdist(tmp_path, "bomb")
    sdist.write_bytes(gzip.compress(gzip.decompress(sdist.read_bytes()) + bytes(4 << 20)))
    assert "unpacks to more than is allowed" in refusal(sdist, tmp_path)


@pytest.mark.parametrize(
    ("names", "root"),
    [
        (["a-1/setup.py"], "a-1"),
        (["a-1/x"], "a-1"),
        (["setup.py", "x"], "."),
        (["setup.py", "a-1/setup.py"], "."),
        (["PKG-INFO", "a-1/setup.py"], "a-1"),
        (["PKG-INFO", "x"], "."),
        (["setup.cfg", "a/x"], "."),
        (["._a-1", "a-1/x"], "a-1"),
        (["__MACOSX/a-1/._setup.py", "a-1/x"], "a-1"),
        (["pax_global_header", ".DS_Store", "a-1/x"], "a-1"),
        (["notes", "a-1/pyproject.toml"], "a-1"),
        (["docs/x", "a-1/pyproject.toml"], "a-1"),
        (["b-2/setup.py", "a-1/pyproject.toml"], "a-1"),
        (["b-2/setup.py", "A_1/pyproject.toml"], "A_1"),
        (["docs/PKG-INFO", "a-1/PKG-INFO"], "a-1"),
        (["b/PKG-INFO", "b/x", "y"], "b"),
    ],
)
def test_the_root_is_the_folder_that_looks_like_a_project(
    tmp_path: Path, names: list[str], root: str
) -> None:
    sdist = write_tar(tmp_path / "a-1.tar.gz", *((member(name), b"") for name in names))
    assert unpack(sdist, tmp_path / "src") == tmp_path / "src" / root


def test_the_root_of_a_subdirectory_need_not_be_a_project(tmp_path: Path) -> None:
    names = ["notes", "docs/x", "main/sub/setup.py"]
    sdist = write_tar(tmp_path / "a-1.tar.gz", *((member(name), b"") for name in names))
    assert unpack(sdist, tmp_path / "src", "sub") == tmp_path / "src" / "main"


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["b/setup.py", "c/setup.py"], "several projects: b, c"),
        (["x", "y"], "no pyproject.toml"),
        ([], "no pyproject.toml"),
    ],
)
def test_an_archive_without_one_project_is_refused(
    tmp_path: Path, names: list[str], reason: str
) -> None:
    sdist = write_tar(tmp_path / "a-1.tar.gz", *((member(name), b"") for name in names))
    assert reason in refusal(sdist, tmp_path)


def test_a_missing_archive_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "none.tar.gz", tmp_path / "src")
    assert not (tmp_path / "src").exists()


PART = st.sampled_from(["a", "b", "..", ".", "", "c"])
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)
MEMBER = st.builds(
    member,
    NAME,
    st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE]),
    NAME,
)


@settings(max_examples=300, deadline=None)
@given(members=st.lists(MEMBER, max_size=8))
def test_no_member_of_an_archive_leaves_the_folder(
    tmp_path_factory: pytest.TempPathFactory, members: list[tarfile.TarInfo]
) -> None:
    here = tmp_path_factory.mktemp("any")
    inside = [member("a", tarfile.DIRTYPE), *members]
    sdist = write_tar(here / "a-1.tar.gz", *((info, b"") for info in inside))
    src = here / "down" / "src"
    try:
        unpack(sdist, src)
    except ArchiveError:
        assert not src.exists()
    else:
        for path in src.rglob("*"):
            # Unlike Path.resolve, it puts up with links in a circle.
            assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(src))
    assert {path.name for path in here.iterdir()} <= {"a-1.tar.gz", "down"}
    assert {path.name for path in (here / "down").iterdir()} <= {"src"}


def test_numbers_of_members_and_of_folders_are_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [(member(f"a-1/{number}"), b"") for number in range(9)]
    monkeypatch.setattr(limits, "MAX_ENTRIES", 9)
    unpack(write_tar(tmp_path / "a-1.tar.gz", *files), tmp_path / "unpacked")
    files.append((member("a-1/more"), b""))
    assert "more than 9 files" in refusal(write_tar(tmp_path / "b-1.tar.gz", *files), tmp_path)
    monkeypatch.setattr(limits, "MAX_FOLDERS", 9)
    deep = write_tar(tmp_path / "c-1.tar.gz", (member("a-1/" + "d/" * 9 + "x"), b""))
    assert "more than 9 folders" in refusal(deep, tmp_path)


def test_unpack_in_a_cancelled_thread_ends_and_leaves_nothing(tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path, "thing")
    flag = threading.Event()
    flag.set()
    with observe_flag(flag), pytest.raises(WorkCancelledError):
        unpack(sdist, tmp_path / "src")
    assert not (tmp_path / "src").exists()


def test_zip_with_an_offset_before_its_start_is_damaged(tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path, "thing", suffix=".zip")
    data = bytearray(sdist.read_bytes())
    at = data.rindex(b"PK\5\6") + 16
    # The directory is said to begin later than it does, so all offsets count from before the file.
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "little") + 100).to_bytes(4, "little")
    sdist.write_bytes(data)
    assert "damaged" in refusal(sdist, tmp_path)


STRESS = int(os.environ.get("WHEELPOOL_STRESS", "1"))
EDIT = st.tuples(
    st.integers(0, 9999),
    st.integers(0, 24),
    st.one_of(st.binary(max_size=12), st.sampled_from([b"../", b"\xff" * 12, b"77777777777"])),
)


def restore_checksums(tar: bytes) -> bytes:
    """Make changed headers valid, so that changes reach what is behind the checksum."""
    data = bytearray(tar)
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


@pytest.mark.stress
@settings(max_examples=60 * STRESS * STRESS, deadline=None)
@given(edits=st.lists(EDIT, max_size=6), suffix=st.sampled_from([".tar", ".zip"]))
def test_edited_archive_is_unpacked_inside_or_refused(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int, bytes]], suffix: str
) -> None:
    here = tmp_path_factory.mktemp("edited")
    sdist = make_sdist(here, "thing", suffix=suffix)
    data = bytearray(sdist.read_bytes())
    for position, removed, added in edits:
        at = position % len(data)
        data[at : at + removed] = added
    sdist.write_bytes(restore_checksums(bytes(data)) if suffix == ".tar" else data)
    with suppress(ArchiveError):
        unpack(sdist, here / "down" / "src")
    assert {path.name for path in here.iterdir()} <= {sdist.name, "down"}
    assert {path.name for path in (here / "down").iterdir()} <= {"src"}
