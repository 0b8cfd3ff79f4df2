"""Requirements files, constraints, and configuration of users: encodings, grammar, odd values."""

from __future__ import annotations

import codecs
import hashlib
from typing import TYPE_CHECKING

from tests.corpus.case import Case, built, failed, refused
from tests.support.makers import make_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOWHERE = "http://127.0.0.1:1"
A, B = "a-1.0-py3-none-any.whl", "b-1.0-py3-none-any.whl"


def _file(
    content: str | bytes, *flags: str, option: str = "-r", name: str = "r.txt"
) -> Callable[[Path], list[str]]:
    """Return a maker of a file, beside a folder with wheels of ``a`` and ``b``."""

    def make(folder: Path) -> list[str]:
        for project in ("a", "b"):
            make_wheel(folder / "links", project)
        digest = hashlib.sha256((folder / "links" / A).read_bytes()).hexdigest()
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data.replace(b"DIGEST", digest.encode()))
        links = ["--deps", "--no-index", "--find-links", "links"]
        return ["build", *flags, *links, option, name]

    return make


def _configuration(text: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        _file(text, name="pip.conf")(folder)
        return ["build", "a", "--deps", "--no-index", "--find-links", "links"]

    return make


def _pyproject(text: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        make_tree(folder, "t", files={"pyproject.toml": text})
        return ["build", "./t-1.0"]

    return make


WITH_PIP_CONF = (("PIP_CONFIG_FILE", "pip.conf"),)
BUILT_A: dict[str, str | bytes] = {
    "plain": "a\n",
    "no-newline": "a",
    "windows-lines": "a\r\n",
    "old-mac-lines": "# comment\ra\r",
    "utf-8-mark": codecs.BOM_UTF8 + b"a\n",
    "utf-16": codecs.BOM_UTF16_LE + "a\n".encode("utf-16-le"),
    "utf-16-big": codecs.BOM_UTF16_BE + "a\n".encode("utf-16-be"),
    "utf-32": codecs.BOM_UTF32_LE + "a\n".encode("utf-32-le"),
    "latin-1-comment": b"# -*- coding: latin-1 -*-\n# J\xf6rg\na\n",
    "comment-after": "a # the first\n",
    "comment-only-lines": "#\n  # x\n\na\n",
    "continued": "\\\na\\\n==1.0\n",
    "continued-at-end": "a\\",
    "continued-comment": "# x \\\na\n",
    "spaces": "   a   ==   1.0   \n",
    "tab": "\ta\t==1.0\n",
    "marker": "a; python_version > '3'\nnope; python_version < '3'\n",
    "marker-no-space": "a;python_version>'3'\n",
    "extra-unknown": "a[x]\n",
    "parentheses": "a (==1.0)\n",
    "twice": "a\na==1.0\n",
    "spelling": "A\n",
    "hash": "a==1.0 --hash=sha256:DIGEST\n",
    "hash-space": "a==1.0 --hash sha256:DIGEST\n",
    "hashes-continued": "a==1.0 \\\n    --hash=sha256:DIGEST \\\n    --hash=sha256:"
    + "0" * 64
    + "\n",
    "require-hashes": "--require-hashes\na --hash=sha256:DIGEST\n",
    "find-links": "--find-links links\na\n",
    "find-links-equals": "--find-links=links\na\n",
    "pre": "--pre\na\n",
    "only-binary": "--only-binary :all:\na\n",
    "prefer-binary": "--prefer-binary\na\n",
    "trusted-host": "--trusted-host h:1\na\n",
    "use-feature": "--use-feature fast-deps\na\n",
    "abbreviated-option": "--find-l links\na\n",
    "path": "./links/a-1.0-py3-none-any.whl\n",
    "form-feed": "a\f\n",
    "next-line-character": "a\u0085# x\n",
    "unset-variable-in-comment": "a # ${NOPE}\n",
    "variable": "${PROJECT}\n",
    "long-comment": "#" + "x" * 300_000 + "\na\n",
    "many-lines": "\n" * 20_000 + "a\n",
    "direct-reference": "a @ file:links/a-1.0-py3-none-any.whl\n",
    "per-requirement-settings": "a --config-settings x=y\n",
}
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "no targets given"),
    "comments-only": ("# x\n", "no targets given"),
    "unknown-option": ("--nope\na\n", "r.txt:1"),
    "option-without-value": ("--find-links\n", "r.txt:1"),
    "option-after-requirement": ("a --find-links links\n", "needs a line of its own"),
    "two-on-a-line": ("a b\n", "r.txt:1"),
    "includes-itself": ("-r r.txt\n", "includes itself"),
    "missing-file": ("-r nope.txt\n", "nope.txt: no such file"),
    "missing-constraints": ("-c nope.txt\na\n", "nope.txt: no such file"),
    "missing-path": ("./nope\n", "r.txt:1"),
    "not-utf-8": (b"a\xff\n", "not readable as text"),
    "unknown-coding": (b"# coding: nope\na\n", "no encoding called nope"),
    "coding-of-bytes": (b"# coding: hex\na\n", "r.txt"),
    "truncated-utf-16": (codecs.BOM_UTF16_LE + b"a", "not readable as text"),
    "nul": ("a\0\n", "r.txt:1"),
    "escape": ("a\x1b[31m\n", "r.txt:1"),
    "open-quote": ("a --hash='x\n", "r.txt:1"),
    "short-hash": ("a --hash=sha256:12\n", "not 64 hexadecimal digits"),
    "weak-hash": ("a --hash=md5:0\n", "must start with sha256"),
    "hash-alone": ("--hash=sha256:0\n", "must follow a requirement"),
    "no-hash": ("--require-hashes\na\n", "has no --hash"),
    "one-hash": ("a --hash=sha256:DIGEST\nb\n", "has no --hash"),
    "caret": ("a^1\n", "r.txt:1"),
    "single-equals": ("a=1\n", "r.txt:1"),
    "old-spelling": ("a>=0.9.*\n", "r.txt:1"),
    "open-marker": ("a; python_version > '3\n", "r.txt:1"),
    "unknown-marker": ("a; weather == 'x'\n", "r.txt:1"),
    "deep-marker": ("a; " + "(" * 1500 + "os_name=='x'" + ")" * 1500 + "\n", "r.txt:1"),
    "long-number": ("a==" + "9" * 5000 + "\n", "r.txt:1"),
    "long-name": ("a" * 100_000 + "\n", "r.txt:1"),
    "scp-url": ("git@h:x/y.git\n", "write git+ssh://"),
    "mercurial": ("hg+https://h/x\n", "cannot be built from"),
    "ftp": ("ftp://h/a-1.0.tar.gz\n", "ftp"),
    "wheel-url-of-a-long-version": (
        f"{NOWHERE}/a-{'9' * 5000}-py3-none-any.whl\n",
        "r.txt:1",
    ),
    "url-without-host": ("https:///a-1.0.tar.gz\n", "names no host"),
    "url-invalid": ("https://[::1/a-1.0.tar.gz\n", "not a URL"),
    "subdirectory-outside": ("https://h/a-1.0.tar.gz#subdirectory=../x\n", "leads out"),
    "global-option": ("a --global-option=x\n", "--config-settings"),
    "install-option": ("--install-option=x\n", "r.txt:1"),
    "editable-wheel": ("-e links/a-1.0-py3-none-any.whl\n", "only a project's folder"),
    "editable-nothing": ("-e\n", "r.txt:1"),
    "bare-dash": ("-\n", "r.txt:1"),
}
CONSTRAINTS: dict[str, tuple[str, str | None]] = {
    "version": ("a==1.0\n", None),
    "hash": ("a --hash=sha256:DIGEST\n", None),
    "other-project": ("b==7\n", None),
    "false-marker": ("a==7; python_version < '3'\n", None),
    "extras": ("a[x]==1.0\n", "no extras"),
    "path": ("./links/a-1.0-py3-none-any.whl\n", "a constraint is a name with versions"),
    "editable": ("-e .\n", "c.txt:1"),
    "open-parenthesis": ("a (==1.0\n", "c.txt:1"),
    "long-number": ("a==" + "9" * 5000 + "\n", "c.txt:1"),
}
CONFIGURATIONS: dict[str, tuple[str, str | None]] = {
    "empty": ("", None),
    "unknown-section": ("[nope]\nx = 1\n", None),
    "no-section": ("index-url = x\n", "pip.conf: not valid"),
    "twice": ("[global]\nx=1\nx=2\n", "pip.conf: not valid"),
    "open-section": ("[global\n", "pip.conf: not valid"),
    "interpolation": ("[global]\nno-color = %(x)s\n", None),
    "timeout": ("[global]\ntimeout = soon\n", "pip's timeout"),
    "nul": ("[global]\nno-color = \0\n", None),
    "many-links": ("[global]\nfind-links =\n    links\n    links\n", None),
}
PYPROJECTS: dict[str, tuple[str, str]] = {
    "not-toml": ("[", "not valid TOML"),
    "long-number": ("x = " + "9" * 5000 + "\n", "not valid TOML"),
    "deep-array": ("x = " + "[" * 5000 + "]" * 5000, "not valid TOML"),
    "deep-table": ("x = " + "{a=" * 5000 + "1" + "}" * 5000, "not valid TOML"),
    "system-no-table": ("build-system = 1\n", "must be a table"),
    "requires-number": ("[build-system]\nrequires = 1\n", "must be a list of strings"),
    "requires-missing": ("[build-system]\n", "has no requires"),
    "requires-invalid": ('[build-system]\nrequires = ["a (>1"]\n', "build requirement"),
    "requires-long": (
        '[build-system]\nrequires = ["a>=' + "9" * 5000 + '"]\n',
        "build requirement",
    ),
    "backend-number": ("[build-system]\nrequires = []\nbuild-backend = 1\n", "must be a string"),
    "backend-path": (
        '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = [".."]\n',
        "outside of the tree",
    ),
}

CASES = [
    Case(
        "file-url-of-a-long-version",
        "E2",
        _file(f"{NOWHERE}/a-{'9' * 5000}.tar.gz\n"),
        failed(),
        (("PIP_RETRIES", "0"),),
    ),
    *(
        Case(f"file-{name}", "E2", _file(content), built(A), (("PROJECT", "a"),))
        for name, content in BUILT_A.items()
    ),
    *(
        Case(f"file-{name}", "E2", _file(content), refused(words))
        for name, (content, words) in REFUSED.items()
    ),
    *(
        Case(
            f"constraint-{name}",
            "C10",
            _file(content, "a", option="-c", name="c.txt"),
            built(A) if words is None else refused(words),
        )
        for name, (content, words) in CONSTRAINTS.items()
    ),
    Case(
        "constraint-wrong-hash",
        "C10",
        _file("a --hash=sha256:" + "0" * 64 + "\n", "a", option="-c", name="c.txt"),
        failed("a"),
    ),
    *(
        Case(
            f"configuration-{name}",
            "E2",
            _configuration(content),
            built(A) if words is None else refused(words),
            WITH_PIP_CONF,
        )
        for name, (content, words) in CONFIGURATIONS.items()
    ),
    *(
        Case(f"pyproject-{name}", "E2", _pyproject(content), failed(words))
        for name, (content, words) in PYPROJECTS.items()
    ),
]
