"""Installations of wheels that touch files of the environment, of other distributions, or plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus.case import Case, Expected, installed
from tests.corpus.wheel_makers import Wheel, install_wheel, make_environment
from tests.support.makers import make_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

INFO = "t-1.dist-info"
PLAN = '{"changes": [], "steps": [["trash", "../victim", null, [1, 2, 3]]]}'


def named(name: str, files: dict[str, str | bytes]) -> Wheel:
    """Return a wheel of another project."""
    return Wheel(
        name=f"{name}-1-py3-none-any.whl",
        info=f"{name}-1.dist-info",
        metadata=f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        files=files,
    )


OWN_FILES = {
    "script-python": "t-1.data/scripts/python",
    "script-python3": "t-1.data/scripts/python3",
    "script-python-version": "t-1.data/scripts/python3.99",
    "script-python-upper-case": "t-1.data/scripts/Python",
    "script-pypy": "t-1.data/scripts/pypy3",
    "script-activate": "t-1.data/scripts/activate",
    "script-activate-fish": "t-1.data/scripts/activate.fish",
    "script-activate-ps1": "t-1.data/scripts/Activate.ps1",
    "script-activate-this": "t-1.data/scripts/activate_this.py",
    "data-python": "t-1.data/data/bin/python",
    "data-activate": "t-1.data/data/bin/activate",
    "data-pyvenv-cfg": "t-1.data/data/pyvenv.cfg",
    "data-lib64": "t-1.data/data/lib64",
    "data-lock": "t-1.data/data/.lock",
    "data-plan": "t-1.data/data/.wheelpool/0123456789abcdef/plan.json",
    "data-wheelpool": "t-1.data/data/.wheelpool",
}
"""Members that would replace a file of the environment."""

COMMANDS = ("python", "python3", "python3.12", "activate", "activate.csh", "deactivate")
"""Entry points that would."""

FINE_COMMANDS = ("python-argcomplete", "pythonic", "ipython", "activate-thing", "lock", "py")


def plan(text: str, mode: int, name: str = "0123456789abcdef") -> Callable[[Path], Sequence[str]]:
    """Return a maker of an environment with a plan that no installation made."""

    def make(folder: Path) -> Sequence[str]:
        arguments = install_wheel(Wheel())(folder)
        place = folder / "env/.wheelpool" / name
        place.mkdir(parents=True)
        place.chmod(mode)
        (place / "plan.json").write_text(text)
        (folder / "victim").touch()
        return arguments

    return make


def egg(files: dict[str, str]) -> Callable[[Path], Sequence[str]]:
    """Return a maker of an environment that has files of an older installer."""

    def make(folder: Path) -> Sequence[str]:
        arguments = install_wheel(Wheel())(folder)
        (site,) = folder.glob("env/lib/*/site-packages")
        for name, text in files.items():
            (site / name).parent.mkdir(exist_ok=True)
            (site / name).write_text(text)
        return arguments

    return make


def again(folder: Path) -> Sequence[str]:
    """An environment with the newest version already; -U has nothing to do."""
    site = make_environment(folder / "env")
    Wheel().write(folder / "links")
    (site / INFO).mkdir()
    (site / INFO / "METADATA").write_text("Metadata-Version: 2.1\nName: t\nVersion: 1\n")
    (site / INFO / "RECORD").write_text(f"{INFO}/RECORD,,\n{INFO}/METADATA,,\n")
    flags = ["--no-index", "--find-links", "links", "--into", "env"]
    return ["install", "--no-ui", "-U", "t", *flags]


def linked(folder: Path) -> Sequence[str]:
    """Modules and commands are links to folders outside of the environment."""
    arguments = install_wheel(Wheel(files={"t-1.data/scripts/tool": "#!python\n"}))(folder)
    (site,) = folder.glob("env/lib/*/site-packages")
    for path in (site, folder / "env/bin"):
        path.rename(folder / path.name)
        path.symlink_to(folder / path.name)
    return arguments


def linked_data(folder: Path) -> Sequence[str]:
    """A folder for data files is a link to a folder outside of the environment."""
    arguments = install_wheel(Wheel(files={"t-1.data/data/share/t/x.txt": "x\n"}))(folder)
    (folder / "share").mkdir()
    (folder / "env/share").symlink_to(folder / "share")
    return arguments


LOADER = """
import sys

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    FILES["t_loader.py"] = "NINJA = %r\\n" % (sys.prefix + "/bin/ninja")
    return build_wheel(wheel_directory)
"""


def editable(backend: str) -> Callable[[Path], Sequence[str]]:
    """Return a maker of a tree with this hook, to be installed as an editable."""

    def make(folder: Path) -> Sequence[str]:
        make_environment(folder / "env")
        make_tree(folder, "t", backend=backend)
        return ["install", "--no-ui", "-e", "t-1.0", "--into", "env"]

    return make


A, B = named("a", {"both.py": "1\n", "x.py": "1\n"}), named("b", {"both.py": "2\n", "x.py": "2\n"})
A_SAME = named("a", {"both.py": "2\n"})


def _cases() -> Iterator[Case]:
    for name, member in OWN_FILES.items():
        make = install_wheel(Wheel(files={member: "x\n"}))
        yield Case(f"own-{name}", "E4", make, Expected(1, ("a file of the environment",)))
    for command in COMMANDS:
        text = f"[console_scripts]\n{command} = t:main\n"
        make = install_wheel(Wheel(files={f"{INFO}/entry_points.txt": text}))
        expected = Expected(1, (f"would replace bin/{command}, a file of the environment",))
        yield Case(f"command-{command}", "E4", make, expected)
    for command in FINE_COMMANDS:
        text = f"[console_scripts]\n{command} = t:main\n"
        make = install_wheel(Wheel(files={f"{INFO}/entry_points.txt": text}))
        yield Case(f"command-{command}", "E4", make, installed("installed 1"))
    for name, text in {"outside": PLAN, "empty": "", "list": "[]", "deep": "[" * 50_000}.items():
        for mode in (0o755, 0o700):
            case = plan(text, mode)
            expected = installed("is not carried out", "installed 1")
            yield Case(f"plan-{name}-mode-{mode:o}", "E5", case, expected)
    yield Case(
        "plan-in-folder-of-another-name",
        "E5",
        plan(PLAN, 0o700, "x"),
        installed("no installation made it"),
    )
    words = ("its file t_loader.py names the build environment", "--no-build-isolation-package t")
    yield Case("editable-that-calls-ninja", "A12", editable(LOADER), installed(*words))
    both = install_wheel(A, B)
    expected = Expected(1, ("a 1 and b 1 both contain", "both.py", "x.py", "--allow-overwrite b"))
    yield Case("two-with-one-file", "C6", both, expected)
    yield Case("two-with-equal-file", "C6", install_wheel(A_SAME, B), installed("installed 2"))
    for name in ("a", "b", ":all:"):
        flags = ["--allow-overwrite", name]
        make = install_wheel(A, B, flags=flags)
        yield Case(f"overwrite-{name.strip(':')}", "C6", make, installed("installed 2"))
    other = install_wheel(A, B, flags=["--allow-overwrite", "other"])
    yield Case("overwrite-other", "C6", other, Expected(1, ("both contain",)))
    link = egg({"t.egg-link": "/src/t\n.", "easy-install.pth": "/src/t\n/src/u\n"})
    yield Case("egg-link", "C10", link, installed("installed 1"))
    listed = {
        "t-0.5-py3.11.egg-info/PKG-INFO": "Name: t\nVersion: 0.5\n",
        "t-0.5-py3.11.egg-info/installed-files.txt": "../t.py\nPKG-INFO\n../../../../../victim\n",
        "t.py": "old\n",
    }
    yield Case("installed-files", "C10", egg(listed), installed("installed 1"))
    flat = egg({"t-0.5-py3.11.egg-info": "Name: t\nVersion: 0.5\n"})
    level = egg({"t-0.5-py3.11.egg-info/top_level.txt": "t\n", "t.py": "old\n"})
    yield Case("egg-info-with-top-level", "C10", level, installed("installed 1"))
    unlisted = egg({"t-0.5.egg-info/PKG-INFO": "Name: t\nVersion: 0.5\n"})
    expected = installed("installed 1", "has no list of its files")
    yield Case("egg-info-without-a-list", "C10", unlisted, expected)
    yield Case("egg-info-without-files", "C10", flat, Expected(1, ("cannot be replaced",)))
    yield Case("linked-folders", "C4", linked, installed("installed 1"))
    words = ("share/t/x.txt would be written outside", "replace it by a directory")
    yield Case("linked-folder-of-data", "E4", linked_data, Expected(1, words))
    yield Case("upgrade-of-the-newest", "C10", again, Expected(0, (), None))


CASES = [*_cases()]
