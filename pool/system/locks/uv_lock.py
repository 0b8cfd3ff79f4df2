"""uv's lock file for a source tree: with it, uv and wheelpool never build a tree at the same time.

The name is an implementation detail of uv (PR #14174), derived from its observable behaviour:
SeaHash over the components of the real path. A test compares it with an installed uv.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["list_locks", "lock_path", "open_lock"]

_MASK = (1 << 64) - 1
_PRIME = 0x6EED0E9DA4D94A4F
_SEED = (0x16F11FE89B0D677C, 0xB480A793D8E6C86C, 0x6FE2E5AAF078EBC9, 0x14F994A4C5259381)


def lock_path(tree: Path, environ: Mapping[str, str]) -> str:
    """Return the path of uv's lock file for a tree; ``tree`` is a real path.

    uv uses ``TMPDIR`` unchanged, even if it is empty or relative, and ``/tmp`` if it is not set;
    Python's default differs.
    """
    digits = _hash_path(os.fsencode(tree)).to_bytes(8, "little").hex()
    # Not a Path: it would normalize the string, which uv does not do.
    return os.path.join(environ.get("TMPDIR", "/tmp"), f"uv-setuptools-{digits}.lock")  # noqa: PTH118, S108 - uv's own choice


def list_locks(environ: Mapping[str, str]) -> list[Path]:
    """Return uv's lock files of all trees; none if TMPDIR is no absolute path."""
    folder = Path(environ.get("TMPDIR", "/tmp"))  # noqa: S108 - uv's own choice
    return sorted(folder.glob("uv-setuptools-*.lock")) if folder.is_absolute() else []


def open_lock(path: str) -> int:
    """Open uv's lock file and create it if it is missing; the file is never removed.

    It is opened without O_CREAT first: the kernel refuses that flag for another user's file in a
    sticky directory. It is created under another name and linked, so that no process opens it
    before it has its mode.

    Raises:
        OSError: the file can neither be opened nor created.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        _create(path)
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        # Another user's file that uv did not create; reading is enough for a flock.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _create(path: str) -> None:
    temporary = f"{path}.{os.urandom(8).hex()}"
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        os.fchmod(fd, 0o666)
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        os.close(fd)
        Path(temporary).unlink()


def _hash_path(path: bytes) -> int:
    """Hash a path as Rust's ``impl Hash for Path`` feeds it to SeaHash 4.1.0."""
    components = [part for part in path.split(b"/") if part not in (b"", b".")]
    bits = 0
    for component in components:
        bits = (bits + len(component)) & _MASK
        bits = (bits >> 2 | bits << 62) & _MASK
    return _seahash(b"".join(components) + bits.to_bytes(8, "little"))


def _seahash(data: bytes) -> int:
    a, b, c, d = _SEED
    whole = len(data) - len(data) % 8
    for at in range(0, whole, 8):
        word = int.from_bytes(data[at : at + 8], "little")
        a, b, c, d = b, c, d, _diffuse(a ^ word)
    if tail := data[whole:]:
        a = _diffuse(a ^ int.from_bytes(tail, "little"))
    return _diffuse(a ^ b ^ c ^ d ^ len(data))


def _diffuse(x: int) -> int:
    x = x * _PRIME & _MASK
    x ^= (x >> 32) >> (x >> 60)
    return x * _PRIME & _MASK
