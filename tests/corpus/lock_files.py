"""Lock files (pylock.toml): fields that are missing, of wrong types, unknown, or lead elsewhere."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tests.corpus.case import Case, Expected, built, failed, refused
from tests.support.makers import make_sdist, make_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A = "a-1.0-py3-none-any.whl"
B = "b-1.0-py3-none-any.whl"
HEAD = 'lock-version = "1.0"\ncreated-by = "x"\n'
COMMIT, DIGITS = "0" * 40, "9" * 5000


def _lock(text: str, *flags: str) -> Callable[[Path], list[str]]:
    """Return a maker of a lock file beside a wheel and an sdist, whose digests it can name."""

    def make(folder: Path) -> list[str]:
        wheel, sdist = make_wheel(folder / "files", "a"), make_sdist(folder / "files", "b")
        make_tree(folder, "c")
        digests = {"WHEEL": wheel, "SDIST": sdist}
        lock = text
        for name, path in digests.items():
            lock = lock.replace(name, hashlib.sha256(path.read_bytes()).hexdigest())
        (folder / "pylock.toml").write_text(lock, "utf-8", "surrogateescape")
        return ["build", "--pylock", "pylock.toml", *flags]

    return make


def _package(rest: str, name: str = "a", head: str = HEAD) -> str:
    return f'{head}[[packages]]\nname = "{name}"\n{rest}\n'


def _wheel(keys: str = "", digest: str = 'sha256 = "WHEEL"') -> str:
    return f'{{path = "files/{A}", hashes = {{{digest}}}{keys}}}'


WHEEL = f"wheels = [{_wheel()}]"
SDIST = 'sdist = {path = "files/b-1.0.tar.gz", hashes = {sha256 = "SDIST"}}'
READ: dict[str, tuple[str, Expected]] = {
    "plain": (_package(f'version = "1.0"\n{WHEEL}'), built(A)),
    "without-version": (_package(WHEEL), built(A)),
    "sdist": (_package(f'version = "1.0"\n{SDIST}', "b"), built(B)),
    "tree": (_package('directory = {path = "c-1.0"}', "c"), built("c-1.0-py3-none-any.whl")),
    "minor-version": (_package(WHEEL, head=HEAD.replace("1.0", "1.9")), built(A)),
    "unknown-keys": (_package(f"x = 1\n{WHEEL}", head=f"{HEAD}y = 2\n"), built(A)),
    "tool-table": (_package(f"{WHEEL}\ntool.x = 1"), built(A)),
    "attestation-identities": (
        _package(f'{WHEEL}\nattestation-identities = [{{kind = "GitHub", x = 1}}]'),
        built(A),
    ),
    "false-marker": (
        _package(f"marker = \"python_version < '3'\"\n{SDIST}", "b") + _package(WHEEL, head=""),
        built(A),
    ),
    "size": (_package(f"wheels = [{_wheel(', size = 1')}]"), built(A)),
    "upload-time": (
        _package(f"wheels = [{_wheel(', upload-time = 2026-01-01T00:00:00Z')}]"),
        built(A),
    ),
    "more-hashes": (
        _package("wheels = [" + _wheel(digest='sha256 = "WHEEL", crc = "1"') + "]"),
        built(A),
    ),
    "path-above": (_package(WHEEL.replace("files/", "../work/files/")), built(A)),
}
WRONG_HASH = 'sha256 = "' + "0" * 64 + '"'
FAILED: dict[str, tuple[str, str]] = {
    "wrong-hash": (_package(f"wheels = [{_wheel(digest=WRONG_HASH)}]"), "its sha256 is"),
    "odd-hash": (_package("wheels = [" + _wheel(digest='sha256 = "../x"') + "]"), "its sha256 is"),
    "missing-file": (_package(WHEEL.replace("files/", "nowhere/")), "nowhere"),
    "pipe": (_package(WHEEL.replace(f"files/{A}", f"/dev/fd/9/{A}")), A),
}
REFUSED: dict[str, tuple[str, str]] = {
    "empty": ("", "Missing required value in 'lock-version'"),
    "not-toml": ("[[", "not valid TOML"),
    "not-utf-8": (f'{HEAD}x = "\udcff"\n', "not valid TOML"),
    "nested": (f"{HEAD}x = {'[' * 5000}{']' * 5000}\n", "not valid TOML"),
    "long-number": (f"{HEAD}x = {'9' * 5000}\n", "not valid TOML"),
    "without-version-of-the-format": ('created-by = "x"\npackages = []\n', "'lock-version'"),
    "version-2": ('lock-version = "2.0"\ncreated-by = "x"\npackages = []\n', "only lock-version 1"),
    "version-of-words": ('lock-version = "x"\ncreated-by = "x"\npackages = []\n', "lock-version"),
    "version-a-number": ('lock-version = 1.0\ncreated-by = "x"\npackages = []\n', "lock-version"),
    "without-packages": (HEAD, "packages"),
    "packages-a-table": (f"{HEAD}[packages]\n", "packages"),
    "packages-of-numbers": (f"{HEAD}packages = [1]\n", "packages"),
    "without-name": (f"{HEAD}[[packages]]\n{WHEEL}\n", "name"),
    "name-a-number": (f"{HEAD}[[packages]]\nname = 1\n{WHEEL}\n", "name"),
    "name-not-normalized": (_package(WHEEL, "A_"), "name"),
    "version-of-a-package-a-number": (_package(f"version = 1\n{WHEEL}"), "version"),
    "version-of-a-package-of-words": (_package(f'version = "x"\n{WHEEL}'), "version"),
    "version-of-a-package-long": (_package(f'version = "{DIGITS}"\n{WHEEL}'), "pylock.toml"),
    "version-of-another-file": (_package(f'version = "2.0"\n{WHEEL}'), "not consistent"),
    "no-file": (_package('version = "1.0"'), "Exactly one of"),
    "file-and-tree": (_package(f'{WHEEL}\ndirectory = {{path = "c-1.0"}}'), "must be set"),
    "hashes-missing": (_package(f'wheels = [{{path = "files/{A}"}}]'), "hashes"),
    "hashes-empty": (_package("wheels = [" + _wheel(digest="") + "]"), "hashes"),
    "hashes-numbers": (_package(f"wheels = [{_wheel(digest='sha256 = 1')}]"), "hashes"),
    "hashes-a-list": (_package(f'wheels = [{{path = "files/{A}", hashes = ["x"]}}]'), "hashes"),
    "wheels-a-table": (_package("wheels = {}"), "wheels"),
    "wheel-without-path": (_package('wheels = [{hashes = {sha256 = "x"}}]'), "path"),
    "wheel-of-another-name": (_package(WHEEL, "z"), "not consistent"),
    "url-of-no-server": (
        _package(f'wheels = [{{url = "what/{A}", hashes = {{sha256 = "x"}}}}]'),
        "not a URL",
    ),
    "url-of-git": (
        _package(f'wheels = [{{url = "git+https://h/{A}", hashes = {{sha256 = "x"}}}}]'),
        "pylock.toml",
    ),
    "size-of-words": (_package(WHEEL.replace("}]", ", size = 'x'}]")), "size"),
    "marker-of-words": (_package(f'marker = "when ready"\n{WHEEL}'), "marker"),
    "marker-long": (_package(f'marker = "{"(" * 5000}"\n{WHEEL}'), "pylock.toml"),
    "attestation-identities-a-number": (
        _package(f"{WHEEL}\nattestation-identities = 1"),
        "attestation-identities",
    ),
    "attestation-identities-without-kind": (
        _package(f"{WHEEL}\nattestation-identities = [{{}}]"),
        "attestation-identities",
    ),
    "other-python": (_package(WHEEL, head=f'{HEAD}requires-python = ">=99"\n'), "not for Python"),
    "other-environment": (
        _package(WHEEL, head=f"{HEAD}environments = [\"os_name == 'x'\"]\n"),
        "not for Python",
    ),
    "package-twice": (_package(WHEEL) + _package(WHEEL, head=""), "Multiple packages"),
    "tree-missing": (_package('directory = {path = "nowhere"}', "c"), "nowhere"),
    "tree-that-is-a-file": (_package(f'directory = {{path = "files/{A}"}}', "a"), "not a folder"),
    "tree-with-a-number": (_package("directory = {path = 1}", "c"), "path"),
    "archive-missing": (
        _package('archive = {path = "x.zip", hashes = {sha256 = "x"}}'),
        "no such file",
    ),
    "archive-in-a-folder-above": (
        _package(
            f'archive = {{path = "files/{A}", subdirectory = "../x", hashes = {{sha256 = "x"}}}}'
        ),
        "leads out",
    ),
    "repository-of-another-kind": (
        _package(f'vcs = {{type = "hg", url = "https://h/x", commit-id = "{COMMIT}"}}'),
        "hg repositories",
    ),
    "repository-without-a-commit": (
        _package('vcs = {type = "git", url = "https://h/x"}'),
        "commit",
    ),
    "repository-of-no-url": (
        _package(f'vcs = {{type = "git", url = "--upload-pack=x", commit-id = "{COMMIT}"}}'),
        "not a URL",
    ),
    "commit-that-is-an-option": (
        _package('vcs = {type = "git", url = "https://h/x", commit-id = "--x"}'),
        "pylock.toml",
    ),
}


def _missing(folder: Path) -> list[str]:
    del folder
    return ["build", "--pylock", "nowhere.toml"]


CASES = [
    *(Case(f"lock-{name}", "E2", _lock(text), answer) for name, (text, answer) in READ.items()),
    *(
        Case(f"lock-{name}", "E2", _lock(text), failed(words))
        for name, (text, words) in FAILED.items()
    ),
    *(
        Case(f"lock-{name}", "E2", _lock(text), refused(words))
        for name, (text, words) in REFUSED.items()
    ),
    Case("lock-missing", "E2", _missing, refused("nowhere.toml: no such file")),
]
