"""Wheels with arbitrary content: they are read, or refused with an error of their own."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pool.common.errors import ArchiveError
from pool.sources.wheels.entry_points import parse_entry_points
from pool.sources.wheels.reader import open_wheel, read_wheel
from pool.sources.wheels.record import parse_record, verify_record

SCALE = float(os.environ.get("WHEELPOOL_STRESS", "1"))
NAME, INFO = "t-1-py3-none-any.whl", "t-1.dist-info"
METADATA = "Metadata-Version: 2.1\nName: t\nVersion: 1\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"

pytestmark = pytest.mark.stress
many = settings(max_examples=max(1, int(100 * SCALE)), deadline=None)
fields = st.sampled_from(
    ["Name", "Version", "Metadata-Version", "Wheel-Version", "Root-Is-Purelib", "X", " ", ""]
)
values = st.one_of(
    st.sampled_from(["t", "1", "1.0", "2.1", "T", "9" * 5000, "true", "t\n 1", "1!1", "1+a"]),
    st.text(max_size=20),
)
lines = st.builds(
    lambda name, value, colon: f"{name}{colon}{value}\n",
    fields,
    values,
    st.sampled_from([": ", ":", " "]),
)
headers = st.one_of(st.text(max_size=60), st.lists(lines, max_size=6).map("".join))
paths = st.one_of(
    st.sampled_from(["t.py", f"{INFO}/RECORD", "../x", "/x", "a//b", "t-1.data/scripts/x", "a/b"]),
    st.text(min_size=1, max_size=20),
)
rows = st.lists(
    st.tuples(paths, st.sampled_from(["", "sha256=x", "md5=x", "sha512="]), values), max_size=5
)
records = st.one_of(
    st.text(max_size=60),
    rows.map(lambda found: "".join(f"{path},{digest},{size}\n" for path, digest, size in found)),
)


def write(folder: str, members: dict[str, str]) -> Path:
    path = Path(folder, NAME)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text.encode("utf-8", "surrogatepass"))
    return path


def members(metadata: str = METADATA, wheel: str = WHEEL, record: str = "") -> dict[str, str]:
    infos = {"METADATA": metadata, "WHEEL": wheel, "RECORD": record}
    return {"t.py": "v = 1\n", **{f"{INFO}/{name}": text for name, text in infos.items()}}


def check(path: Path) -> None:
    """Read and verify a wheel; an error names the file and is one printable line."""
    try:
        with open_wheel(path) as archive:
            facts, note = archive.facts, verify_record(archive)
        assert facts.version == "1"
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", note)
    except ArchiveError as problem:
        assert str(problem).startswith(f"{NAME}: not a valid wheel: ")  # noqa: PT017 - or none


@many
@given(headers, headers)
def test_read_wheel_any_metadata_is_read_or_refused(metadata: str, wheel: str) -> None:
    with TemporaryDirectory() as folder:
        check(write(folder, members(metadata=metadata)))
        check(write(folder, members(wheel=wheel)))


@many
@given(records)
def test_verify_record_any_text_gives_a_note(record: str) -> None:
    parse_record(record)
    with TemporaryDirectory() as folder:
        check(write(folder, members(record=record)))


@many
@given(st.lists(paths, max_size=4))
def test_read_wheel_any_members_stay_inside(names: list[str]) -> None:
    with TemporaryDirectory() as folder:
        try:
            path = write(folder, {**members(), **dict.fromkeys(names, "x")})
        except (ValueError, IndexError):
            return  # zipfile cannot write such a name
        try:
            with open_wheel(path) as archive:
                found = archive.members
        except ArchiveError:
            return
        assert all(".." not in name.split("/") and name[0] != "/" for name in found)


@many
@given(st.data())
def test_read_wheel_any_damaged_bytes_are_read_or_refused(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = write(folder, members())
        content = bytearray(path.read_bytes())
        changes = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
        for at, value in data.draw(st.lists(changes, max_size=8)):
            content[at] = value
        length = data.draw(st.integers(0, len(content)) | st.just(len(content)))
        path.write_bytes(bytes(content[:length]))
        check(path)


@many
@given(
    st.one_of(
        st.text(max_size=80),
        st.lists(
            st.sampled_from(
                [
                    "[console_scripts]\n",
                    "[gui_scripts]\n",
                    "t = t:main\n",
                    "a = b\n",
                    "../x = t:m\n",
                    "x = t : a . b [e]\n",
                    "#\n",
                    "=\n",
                    "[x\n",
                ]
            ),
            max_size=6,
        ).map("".join),
    )
)
def test_parse_entry_points_any_text_gives_commands_or_is_refused(text: str) -> None:
    try:
        points = parse_entry_points(text)
    except ArchiveError as problem:
        assert str(problem).startswith("entry_points.txt: ")  # noqa: PT017 - or none
        return
    assert all("/" not in point.name and point.attribute for point in points)


@many
@given(st.text(max_size=30))
def test_read_wheel_any_file_name_is_read_or_refused(name: str) -> None:
    with TemporaryDirectory() as folder:
        good = write(folder, members())
        try:
            path = good.rename(Path(folder, f"t-1{name}-py3-none-any.whl"))
        except (OSError, ValueError):
            return  # no file can have this name
        try:
            read_wheel(path)
        except ArchiveError as problem:
            assert "\n" not in str(problem)  # noqa: PT017 - or none
