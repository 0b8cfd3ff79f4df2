"""Sdists, wheels and indexes made on the spot, with the standard library alone.

An sdist made here carries its own backend (PEP 517, ``backend-path``), a few lines that build a
valid wheel: building it needs no network and nothing installed, unless it is told to require it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import shutil
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["make_index", "make_sdist", "make_tree", "make_wheel", "write_tar"]

BACKEND = """
import base64, hashlib, os, zipfile

FILES = {files!r}
WHEEL = {wheel!r}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    rows = []
    with zipfile.ZipFile(os.path.join(wheel_directory, WHEEL), "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            rows.append("%s,sha256=%s,%d" % (name, digest.rstrip(b"=").decode(), len(text.encode())))
        record = {record!r}
        archive.writestr(record, "\\n".join([*rows, record + ",,", ""]))
    return WHEEL
"""


_TAR_MODES = {
    ".tar": "",
    ".tar.gz": "gz",
    ".tgz": "gz",
    ".tar.bz2": "bz2",
    ".tbz": "bz2",
    ".tar.xz": "xz",
    ".txz": "xz",
}


def make_tree(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    build_requires: Sequence[str] = (),
    requires: Sequence[str] = (),
    backend: str = "",
    files: Mapping[str, str] | None = None,
) -> Path:
    """Make a source tree ``folder/<name>-<version>`` that builds itself.

    Args:
        folder: made if missing.
        name: also the name of the one module that the wheel has.
        version: any.
        build_requires: for ``[build-system]``.
        requires: Requires-Dist of the wheel.
        backend: code put after that of the backend: imports that prove a requirement is there,
            replacements of hooks, further hooks.
        files: more files of the tree, by relative path; one may replace pyproject.toml.
    """
    tree = folder / f"{_escaped(name)}-{version}"
    members = {
        "pyproject.toml": _pyproject(name, version, build_requires),
        "inline_backend.py": _backend(name, version, requires) + backend,
        "PKG-INFO": _metadata(name, version, requires),
        **(files or {}),
    }
    for path, text in members.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    return tree


def make_sdist(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    build_requires: Sequence[str] = (),
    requires: Sequence[str] = (),
    backend: str = "",
    files: Mapping[str, str] | None = None,
    suffix: str = ".tar.gz",
) -> Path:
    """Make an sdist of such a tree and return its file; the arguments are those of `make_tree`."""
    scratch = folder / f".{name}-{version}"
    tree = make_tree(
        scratch,
        name,
        version,
        build_requires=build_requires,
        requires=requires,
        backend=backend,
        files=files,
    )
    sdist = folder / f"{tree.name}{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(sdist, "w", zipfile.ZIP_DEFLATED) as zipped:
            for path in sorted(tree.rglob("*")):
                zipped.write(path, path.relative_to(scratch))
    else:
        with tarfile.open(sdist, f"w:{_TAR_MODES[suffix]}") as tar:  # type: ignore[call-overload] # the mode is computed
            tar.add(tree, tree.name)
    shutil.rmtree(scratch)
    return sdist


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    requires: Sequence[str] = (),
    headers: Sequence[str] = (),
    tag: str = "py3-none-any",
    files: Mapping[str, str] | None = None,
) -> Path:
    """Make a valid wheel with one module (or the files given) and return its file.

    Args:
        folder: made if missing.
        name: also that of the module.
        version: any.
        requires: Requires-Dist.
        headers: further lines of METADATA: ``Requires-Python: >=3.9``, ``Provides-Extra: fast``.
        tag: the compatibility tag.
        files: what it has instead of the module.
    """
    folder.mkdir(parents=True, exist_ok=True)
    members = _wheel_files(name, version, requires, headers=headers, tag=tag, files=files)
    info = f"{_escaped(name)}-{version}.dist-info"
    wheel = folder / f"{_escaped(name)}-{version}-{tag}.whl"
    rows = [
        f"{path},sha256={_record_digest(text)},{len(text.encode())}"
        for path, text in members.items()
    ]
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in members.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,", ""]))
    return wheel


def make_index(
    folder: Path,
    files: Iterable[Path],
    *,
    json_pages: bool = False,
    attributes: Mapping[str, Mapping[str, str]] | None = None,
    hashes: bool = True,
) -> str:
    """Copy files into a PEP 503 index in a folder and return its ``file://`` URL.

    Args:
        folder: gets ``files/`` and ``simple/<project>/index.html``.
        files: sdists and wheels.
        json_pages: write PEP 691 ``index.json`` too, for a server to send.
        attributes: by file name, attributes of its link: ``data-yanked``, ``data-requires-python``.
        hashes: whether links tell the sha256.
    """
    pages: dict[str, list[Path]] = {}
    (folder / "files").mkdir(parents=True, exist_ok=True)
    for file in files:
        copy = folder / "files" / file.name
        if copy != file:
            shutil.copyfile(file, copy)
        pages.setdefault(_project(file.name), []).append(copy)
    for project, listed in pages.items():
        page = folder / "simple" / project
        page.mkdir(parents=True, exist_ok=True)
        (page / "index.html").write_text(_html(listed, attributes or {}, hashes=hashes))
        if json_pages:
            (page / "index.json").write_text(_json(listed, attributes or {}, hashes=hashes))
    return (folder / "simple").as_uri()


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """Write a gzipped tar with exactly these members, good or bad."""
    with tarfile.open(path, "w:gz") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def _escaped(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")


def _project(filename: str) -> str:
    stem = filename.partition("-")[0] if filename.endswith(".whl") else filename.rpartition("-")[0]
    return stem.lower().replace("_", "-").replace(".", "-")


def _pyproject(name: str, version: str, build_requires: Sequence[str]) -> str:
    return (
        f"[build-system]\nrequires = {json.dumps(list(build_requires))}\n"
        'build-backend = "inline_backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n'
    )


def _backend(name: str, version: str, requires: Sequence[str]) -> str:
    files = _wheel_files(name, version, requires)
    stem = f"{_escaped(name)}-{version}"
    return BACKEND.format(
        files=files, wheel=f"{stem}-py3-none-any.whl", record=f"{stem}.dist-info/RECORD"
    )


def _wheel_files(
    name: str,
    version: str,
    requires: Sequence[str],
    *,
    headers: Sequence[str] = (),
    tag: str = "py3-none-any",
    files: Mapping[str, str] | None = None,
) -> dict[str, str]:
    info = f"{_escaped(name)}-{version}.dist-info"
    module = {f"{_escaped(name)}.py": f"__version__ = {version!r}\n"}
    return {
        **(module if files is None else files),
        f"{info}/METADATA": _metadata(name, version, requires, headers),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }


def _metadata(name: str, version: str, requires: Sequence[str], headers: Sequence[str] = ()) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *headers]
    return "\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires), "", "About.", ""])


def _record_digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _html(
    files: Iterable[Path], attributes: Mapping[str, Mapping[str, str]], *, hashes: bool
) -> str:
    lines = ["<!DOCTYPE html><html><body>"]
    for file in files:
        fragment = f"#sha256={_sha256(file)}" if hashes else ""
        more = "".join(
            f' {key}="{html.escape(value)}"' for key, value in attributes.get(file.name, {}).items()
        )
        lines.append(f'<a href="../../files/{file.name}{fragment}"{more}>{file.name}</a><br>')
    return "\n".join([*lines, "</body></html>"])


def _json(
    files: Iterable[Path], attributes: Mapping[str, Mapping[str, str]], *, hashes: bool
) -> str:
    entries = [
        {
            "filename": file.name,
            "url": f"../../files/{file.name}",
            "hashes": {"sha256": _sha256(file)} if hashes else {},
            **{
                key.removeprefix("data-"): value
                for key, value in attributes.get(file.name, {}).items()
            },
        }
        for file in files
    ]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "", "files": entries})
