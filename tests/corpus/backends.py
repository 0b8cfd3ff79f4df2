"""Results of hooks: odd values that pip takes, and values and files that no tool can use."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from tests.corpus.case import Case, built, failed
from tests.corpus.wheel_makers import NAME, PYPROJECT, Wheel, make_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

GOOD = "wheel(os.path.join(folder, NAME))\n"
METADATA_HOOK = """
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    {code}
"""


def tree(code: str) -> Callable[[Path], Sequence[str]]:
    """Return a maker of a tree with this code as its ``build_wheel``."""

    def make(folder: Path) -> Sequence[str]:
        make_tree(folder, code)
        return ["build", "./t"]

    return make


def hook(name: str, code: str) -> Callable[[Path], Sequence[str]]:
    """Return a maker of a tree with a good ``build_wheel`` and another hook."""

    def make(folder: Path) -> Sequence[str]:
        made = make_tree(folder, GOOD + "return NAME")
        with (made / "b.py").open("a") as backend:
            backend.write(f"\ndef {name}(*arguments):\n    {code}\n")
        return ["build", "./t"]

    return make


BUILT: dict[str, str] = {
    "name": GOOD + "return NAME",
    "full-path": GOOD + "return os.path.join(folder, NAME)",
    "full-path-resolved": GOOD + "return os.path.realpath(os.path.join(folder, NAME))",
    "dot-path": GOOD + "return './' + NAME",
    "dot-dot-path": GOOD + "return '../' + os.path.basename(folder) + '/' + NAME",
    "double-slash": GOOD + "return folder + '//' + NAME",
    "hard-link": "os.link(PREBUILT, os.path.join(folder, NAME))\nreturn NAME",
    "symlink": "os.symlink(PREBUILT, os.path.join(folder, NAME))\nreturn NAME",
    "symlink-in-folder": (
        "wheel(os.path.join(folder, 'x'))\nos.symlink('x', os.path.join(folder, NAME))\nreturn NAME"
    ),
    "mode-0": GOOD + "os.chmod(os.path.join(folder, NAME), 0o400)\nreturn NAME",
    "more-files": GOOD + "wheel(os.path.join(folder, 'other.whl'))\nreturn NAME",
    "subclass-of-str": GOOD + "return type('S', (str,), {})(NAME)",
    "prints": GOOD + "print('x' * 100000)\nreturn NAME",
    "warns": GOOD + "import warnings\nwarnings.warn('old')\nreturn NAME",
    "thread-left": (
        GOOD + "import threading\nthreading.Thread(target=print, daemon=True).start()\nreturn NAME"
    ),
    "folder-changed": "os.chdir('/')\n" + GOOD + "return NAME",
}
"""Codes of ``build_wheel`` that make a wheel."""

FAILED: dict[str, tuple[str, str]] = {
    "path-object": (GOOD + "return Path(folder) / NAME", "build_wheel returned a PosixPath"),
    "bytes": (GOOD + "return NAME.encode()", "build_wheel returned a bytes"),
    "none": (GOOD + "return None", "build_wheel returned None, not the name of a wheel"),
    "nothing": ("pass", "build_wheel returned None"),
    "number": ("return 7", "build_wheel returned 7, not the name of a wheel"),
    "list": ("return [NAME]", "not the name of a wheel"),
    "dict": ("return {'name': NAME}", "not the name of a wheel"),
    "set": ("return {NAME}", "build_wheel returned a set"),
    "true": ("return True", "build_wheel returned True"),
    "huge-list": ("return ['x' * 1000] * 1000", "not the name of a wheel"),
    "nested-list": ("x = []\nfor _ in range(900): x = [x]\nreturn x", "build_wheel"),
    "circle": ("x = []\nx.append(x)\nreturn x", "Circular reference"),
    "empty": ("return ''", "build_wheel returned '', not the name of a wheel"),
    "dot": ("return '.'", "which is outside of its folder"),
    "dot-dot": ("return '..'", "which is outside of its folder"),
    "nul": ("return 'a\\0b.whl'", "not the name of a wheel"),
    "outside": ("return PREBUILT", "which is outside of its folder"),
    "outside-relative": ("return '../../x.whl'", "which is outside of its folder"),
    "through-link": (
        "os.symlink('/tmp', os.path.join(folder, 'd'))\nreturn 'd/' + NAME",
        "which is outside of its folder",
    ),
    "subfolder": (
        (
            "os.mkdir(os.path.join(folder, 'd'))\nwheel(os.path.join(folder, 'd', NAME))\n"
            "return 'd/' + NAME"
        ),
        "which is outside of its folder",
    ),
    "control-characters": ("return 'a\\x1b[2J\\n.whl'", "but there is no such file"),
    "surrogate": ("return 'a\\udcff.whl'", "but there is no such file"),
    "surrogate-high": ("return 'a\\ud800.whl'", "build_wheel returned"),
    "long": ("return 'x' * 5000", "build_wheel returned"),
    "missing": ("return NAME", "but there is no such file"),
    "removed-folder": ("shutil.rmtree(folder)\nreturn NAME", "but there is no such file"),
    "fifo": ("os.mkfifo(os.path.join(folder, NAME))\nreturn NAME", "not a regular file"),
    "folder": ("os.mkdir(os.path.join(folder, NAME))\nreturn NAME", "which cannot be read"),
    "socket": (
        "import socket\nos.chdir(folder)\nsocket.socket(socket.AF_UNIX).bind(NAME)\nreturn NAME",
        "which cannot be read",
    ),
    "device": ("os.symlink('/dev/zero', os.path.join(folder, NAME))\nreturn NAME", "not a regular"),
    "dangling-link": (
        "os.symlink('gone', os.path.join(folder, NAME))\nreturn NAME",
        "which cannot be read: no such file",
    ),
    "link-to-itself": ("os.symlink(NAME, os.path.join(folder, NAME))\nreturn NAME", "cannot be"),
    "link-to-fifo": (
        (
            "os.mkfifo(os.path.join(folder, 'f'))\nos.symlink('f', os.path.join(folder, NAME))\n"
            "return NAME"
        ),
        "not a regular file",
    ),
    "exits": ("sys.exit(0)", "the backend ended without a result"),
    "exits-at-once": ("os._exit(0)", "the backend ended without a result"),
    "exits-with-3": ("sys.exit(3)", "exit code 3"),
    "killed": ("os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
    "raises": ("raise ValueError('no')", "ValueError: no"),
    "raises-strange": ("raise type('E', (BaseException,), {})('no')", "build_wheel"),
    "recursion": ("return build_wheel(folder)", "RecursionError"),
}
"""Codes that make no wheel, and the reason."""

RESULT_FILE = (
    GOOD + "import atexit\natexit.register(lambda: open(sys.argv[2] + '/output.json', 'w')"
    ".write({text}))\nreturn NAME"
)
RESULTS: dict[str, tuple[str, str]] = {
    "no-json": ("'no'", "the result of build_wheel cannot be read"),
    "empty": ("''", "the result of build_wheel cannot be read"),
    "list": ("'[]'", "it has no return value"),
    "no-value": ("'{}'", "it has no return value"),
    "deep": ("'[' * 100000", "the result of build_wheel cannot be read"),
    "huge-number": ("'{\"return_val\": ' + '9' * 5000 + '}'", "build_wheel"),
    "warnings-odd": (
        '\'{"return_val": null, "warnings": 7}\'',
        "build_wheel returned None",
    ),
}
"""Texts that a backend writes over the file with its result."""

REQUIRES: dict[str, tuple[str, str]] = {
    "none": ("return None", "returned None, not a list of requirements"),
    "text": ("return 'setuptools'", "not a list of requirements"),
    "numbers": ("return [1]", "not a list of requirements"),
    "set": ("return {'setuptools'}", "get_requires_for_build_wheel returned a set"),
    "no-requirement": ("return ['not a requirement!']", "not a requirement"),
    "raises": ("raise ValueError('no')", "ValueError: no"),
}
"""Codes of ``get_requires_for_build_wheel``, and the reason."""


def chosen(filename: str, wheel: Wheel, requirement: str) -> Callable[[Path], Sequence[str]]:
    """Return a maker of a find-links folder with one sdist that makes this wheel."""

    def make(folder: Path) -> Sequence[str]:
        pack(folder / "links", filename, wheel)
        return ["build", requirement, "--no-index", "--find-links", "links"]

    return make


def pack(folder: Path, filename: str, wheel: Wheel) -> None:
    """Pack a tree that makes this wheel."""
    made = make_tree(folder / "tree", GOOD + "return NAME", wheel)
    stem = filename.removesuffix(".tar.gz")
    with tarfile.open(folder / filename, "w:gz") as tar:
        tar.add(made, stem)


THREE = Wheel(
    name="t-3-py3-none-any.whl",
    info="t-3.dist-info",
    metadata="Metadata-Version: 2.1\nName: t\nVersion: 3\n",
)
OTHER = Wheel(
    name="u-2-py3-none-any.whl",
    info="u-2.dist-info",
    metadata="Metadata-Version: 2.1\nName: u\nVersion: 2\n",
)
EQUAL = Wheel(
    name="t-2.0-py3-none-any.whl",
    info="t-2.0.dist-info",
    metadata="Metadata-Version: 2.1\nName: t\nVersion: 2.0.0\n",
)
INCONSISTENT = "has inconsistent version: expected 2, but its metadata has 3"


def direct(folder: Path) -> Sequence[str]:
    """A file that the user names may have any version, as in pip."""
    pack(folder, "t-2.tar.gz", THREE)
    return ["build", "./t-2.tar.gz"]


def same_name(content: str) -> Callable[[Path], Sequence[str]]:
    """Return a maker of two trees that make wheels of one name."""

    def make(folder: Path) -> Sequence[str]:
        make_tree(folder, GOOD + "return NAME")
        make_tree(folder, GOOD + "return NAME", Wheel(files={"t.py": content}), name="t2")
        return ["build", "./t", "./t2"]

    return make


def no_pyproject_backend(folder: Path) -> Sequence[str]:
    """A tree whose backend is missing."""
    made = make_tree(folder, "pass")
    (made / "pyproject.toml").write_text(PYPROJECT.replace('"b"', '"gone"'))
    return ["build", "./t"]


def _cases() -> Iterator[Case]:
    for name, code in BUILT.items():
        yield Case(f"returns-{name}", "C2", tree(code), built(NAME))
    for name, (code, reason) in FAILED.items():
        yield Case(f"returns-{name}", "C2", tree(code), failed(reason))
    for name, (text, reason) in RESULTS.items():
        code = RESULT_FILE.format(text=text)
        yield Case(f"result-file-{name}", "C2", tree(code), failed(reason))
    for name, (code, reason) in REQUIRES.items():
        make = hook("get_requires_for_build_wheel", code)
        yield Case(f"requires-{name}", "C2", make, failed(reason))
    yield Case("backend-missing", "C2", no_pyproject_backend, failed("cannot be imported"))
    yield Case(
        "sdist-of-another-version", "A1", chosen("t-2.tar.gz", THREE, "t==2"), failed(INCONSISTENT)
    )
    yield Case(
        "sdist-of-another-version-latest",
        "A1",
        chosen("t-2.tar.gz", THREE, "t"),
        failed(INCONSISTENT),
    )
    yield Case(
        "sdist-of-another-name",
        "A1",
        chosen("t-2.tar.gz", OTHER, "t==2"),
        failed("has inconsistent name: expected t, but its metadata has u"),
    )
    yield Case(
        "sdist-of-an-equal-version", "A1", chosen("t-2.tar.gz", EQUAL, "t==2"), built(EQUAL.name)
    )
    both = failed(f"has made another {NAME} in this run", wheels=(NAME,))
    yield Case("two-trees-with-one-wheel", "A4", same_name("other\n"), both)
    equal = built(NAME, words=(f"has made the same {NAME}",))
    yield Case("two-trees-with-equal-wheels", "A4", same_name("value = 1\n"), equal)
    yield Case("direct-sdist-of-another-version", "A1", direct, built(THREE.name))


CASES = [*_cases()]
