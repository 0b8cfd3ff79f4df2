"""The commands of pip and uv that do the same as a command of wheelpool, and what they gave.

Only inputs that all three read in the same way have a command here. Their answers are compared as
accepted or refused, and by the distributions that came out.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from tests.support.template_process import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.corpus.case import Case
    from tests.support.sandbox import Sandbox
    from tests.support.template_process import TemplateProcess

__all__ = ["Answer", "find_uv", "format_pip_words", "format_uv_words", "run_tool"]

LIMITS = Limits(seconds=20, file_bytes=256 << 20)
"""A tool that needs more has refused the input."""
OWN_FLAGS = {"--copy": 0, "--no-ui": 0, "--deps": 0, "--into": 1, "--allow-overwrite": 1}
"""Options of wheelpool that the others do not have, and how many values follow."""
ENVIRONMENT = "env/bin/python"
NOWHERE = "http://127.0.0.1:1"
"""No tool of a test reaches a network."""


@dataclass(frozen=True)
class Answer:
    """The answer of a tool to an input."""

    accepted: bool
    distributions: tuple[str, ...] | None
    """Names and versions that came out; None: not compared."""
    output: str


def find_uv() -> Path | None:
    """Return the uv of this environment, or another one."""
    beside = Path(sys.executable).with_name("uv")
    found = beside if beside.exists() else shutil.which("uv")
    return Path(found) if found else None


def format_pip_words(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of pip for those of ``build`` or ``install``."""
    words = _shared_words(arguments)
    if arguments[0] == "install":
        return ["--python", ENVIRONMENT, "install", *words]
    return ["wheel", "--wheel-dir", "out", *_without_dependencies(arguments), *words]


def format_uv_words(arguments: Sequence[str], folder: Path) -> list[str] | None:
    """Return the arguments of uv; None where it has no such command.

    uv builds a tree; what it makes of archives and names it only installs.
    """
    words = _shared_words(arguments)
    if arguments[0] == "install":
        return ["pip", "install", "--python", ENVIRONMENT, *words]
    if len(words) == 1 and (folder / words[0]).is_dir():
        return ["build", "--wheel", "--out-dir", "out", *words]
    if len(words) > 1 and words[1].startswith("./"):
        return None
    return ["pip", "install", "--target", "out", *_without_dependencies(arguments), *words]


def _shared_words(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without the command and wheelpool's own options."""
    rest, words = iter(arguments[1:]), []
    for word in rest:
        if word in OWN_FLAGS:
            for _ in range(OWN_FLAGS[word]):
                next(rest)
        else:
            words.append(word)
    return ["./t" if word == "t" and len(words) == 1 else word for word in words]


def _without_dependencies(arguments: Sequence[str]) -> list[str]:
    return [] if "--deps" in arguments else ["--no-deps"]


def run_tool(
    words: Sequence[str],
    case: Case,
    template: TemplateProcess,
    sandbox: Sandbox,
    *,
    uv: Path | None,
) -> Answer:
    """Run pip, or uv if its path is given, in the working folder of a sandbox."""
    folder = sandbox.root / "work"
    environ = {
        **sandbox.environ,
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), NOWHERE),
        **dict.fromkeys(("PIP_RETRIES", "UV_HTTP_RETRIES"), "0"),
        "UV_PYTHON": sys.executable,
        "UV_NO_CONFIG": "1",
        "UV_FIND_LINKS": sandbox.environ["PIP_FIND_LINKS"],
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **dict(case.environ),
    }
    done = template.run(
        words, environ=environ, folder=folder, logs=sandbox.root, limits=LIMITS, executable=uv
    )
    out = folder / "out"
    names = [path.name for path in out.iterdir()] if out.is_dir() else []
    return Answer(done.code == 0, format_distributions(names), done.out + done.err)


def format_distributions(names: Iterable[str]) -> tuple[str, ...]:
    """Return names and versions of wheels and of folders with metadata."""
    return tuple(sorted({one for name in names if (one := _distribution(name))}))


def _distribution(name: str) -> str | None:
    if name.endswith(".whl"):
        try:
            project, version, *_ = parse_wheel_filename(name)
        except ValueError:
            return name
        return f"{project} {version}"
    if name.endswith(".dist-info"):
        stem, _, number = name.removesuffix(".dist-info").rpartition("-")
        return f"{canonicalize_name(stem)} {Version(number)}"
    return None
