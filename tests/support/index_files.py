"""Facts for what is pure: files as an index would list them, and an interpreter."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from packaging.tags import Tag
from packaging.utils import canonicalize_name

from pool.sources.index.simple_api import IndexFile, parse_filename

__all__ = ["INTERPRETER", "FakeInterpreter", "make_index_file"]


@dataclass(frozen=True)
class FakeInterpreter:
    """An interpreter that is nowhere."""

    python_version: str = "3.11.7"
    environment: dict[str, str] = field(
        default_factory=lambda: {
            "python_version": "3.11",
            "python_full_version": "3.11.7",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "implementation_name": "cpython",
            "extra": "",
        }
    )
    tags: tuple[Tag, ...] = (
        Tag("cp311", "cp311", "linux_x86_64"),
        Tag("py3", "none", "any"),
    )


INTERPRETER = FakeInterpreter()


def make_index_file(
    filename: str, *, requires_python: str | None = None, yanked: bool = False
) -> IndexFile:
    """Return a file as an index lists it; the project is what stands before the first dash."""
    file = parse_filename(filename, canonicalize_name(filename.partition("-")[0]))
    assert file is not None
    return msgspec.structs.replace(
        file,
        url=f"https://index.test/files/{filename}",
        requires_python=requires_python,
        yanked=yanked,
    )
