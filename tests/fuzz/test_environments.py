"""Environments that others wrote to: they are changed inside, or refused."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from pool.cache.unpacked_wheels import UnpackedWheel
from pool.common.errors import InstallError
from pool.install.check import unmet_requirements
from pool.install.environment_files import STAGING_DIR
from pool.install.installed import installed_distributions, scan_distributions
from pool.install.layout import EnvPaths
from pool.install.plan import Plan
from pool.install.plan_file import InvalidPlanError, read_plan
from pool.install.staging import PLAN_FILE
from pool.install.transaction import recover
from tests.fuzz.entries import make_entry
from tests.fuzz.limits import fuzz, limited
from tests.fuzz.strategies import damaged, damaged_json, expand, joined
from tests.support.installs import Yard, content

NAMES = ("a", "b")
RECORD = (
    *("a.py", "b.py", "a/__init__.py", "a-1.0.dist-info/RECORD", "../../../bin/a", "/etc/passwd"),
    *(",sha256=x,1", ",,", ",", "\n", "\r", '"', '"a,b.py"', "\0", "..", "../", "//", "./", "/"),
    *("link/x", "__pycache__/a.cpython-311.pyc", "\udcff", "\u2028", "<DIGITS>", "<LONG>"),
    *("../../../../outside", "lib64/", "../../../bin/python", "fifo", "loop/x"),
)
METADATA = (
    *("Metadata-Version: 2.1\n", "Name: a\n", "Version: 1.0\n", "Requires-Dist: ", "b", "==", "1"),
    *(";", "python_version", "<", "'3'", "extra", "[x]", "(", ")", "@", "https://h/x", "\n", " "),
    *("<PARENTHESES>", "<DIGITS>", "\0", "\udcff", "1.*", "Requires-Dist: b (>dev)\n", "\n\nbody"),
)
DIRECT_URL = {
    "url": "file:///x",
    "dir_info": {"editable": True},
    "vcs_info": {"vcs": "git", "commit_id": "x"},
}
ENTRY_POINTS = ("[console_scripts]\n", "a = a:main\n", "= ", "../x = a:b\n", "[", "\0", "\n")
EGG_LINK = ("/tree", "../x", ".", "\n", "\0", "\udcff", "<LONG>", " ")
FILES: dict[str, st.SearchStrategy[Any]] = {
    "METADATA": joined(METADATA),
    "RECORD": joined(RECORD),
    "installed-files.txt": joined(RECORD),
    "direct_url.json": damaged_json(DIRECT_URL) | st.just(b'{"x":<DEEP>'),
    "entry_points.txt": joined(ENTRY_POINTS),
    "INSTALLER": st.binary(max_size=20),
    "REQUESTED": st.just(b""),
}
KINDS = st.sampled_from(["file", "file", "file", "folder", "fifo", "loop", "dangling", "outside"])
FOLDERS = st.sampled_from(
    [
        *("a-1.0.dist-info", "a-2.dist-info", "b-1.dist-info", "A-1.0.dist-info", "-1.dist-info"),
        *("a-1.0-py3.egg-info", "b.egg-info", "a-.dist-info", f"a-{'9' * 200}.dist-info"),
        *(
            "a-x.dist-info",
            ".dist-info",
            "~a-1.dist-info",
            "a\udcff-1.dist-info",
            "a-1\n.dist-info",
        ),
    ]
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    yard = Yard(tmp_path_factory.mktemp("env"))
    (yard.folder / "outside").write_text("of another program")
    (yard.folder / "outside-folder").mkdir()
    (yard.folder / "outside-folder" / "x").write_text("of another program")
    return yard


@pytest.fixture(scope="module")
def wheel(template: Yard) -> UnpackedWheel:
    return template.wheel("a", "3.0")


class Environment:
    """An environment for one input, from a template."""

    def __init__(self, yard: Yard, folder: str = "env-of-input") -> None:
        self.template = yard
        self.yard = yard.copy_to(folder)

    def __enter__(self) -> Yard:
        return self.yard

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.yard.env.prefix)


@st.composite
def distributions(draw: st.DrawFn) -> list[tuple[str, str, str, Any]]:
    """Draw entries below site-packages: folder, name, kind, content."""
    found: dict[tuple[str, str], tuple[str, Any]] = {}
    for _ in range(draw(st.integers(1, 3))):
        folder = draw(FOLDERS)
        found[folder, "METADATA"] = ("file", draw(FILES["METADATA"]))
        found[folder, "RECORD"] = (draw(KINDS), draw(FILES["RECORD"]))
        for name in draw(st.lists(st.sampled_from(list(FILES)), max_size=3)):
            found[folder, name] = (draw(KINDS), draw(FILES[name]))
    if draw(st.booleans()):
        link = draw(joined(EGG_LINK))
        found["", "a.egg-link"] = (draw(KINDS), link)
        found["", "easy-install.pth"] = (
            draw(KINDS),
            draw(joined(EGG_LINK)),
        )
    for name in draw(st.lists(st.sampled_from(["a.py", "link", "fifo", "loop", "a", "b.py"]))):
        found["", name] = (draw(KINDS), b"x")
    return [(folder, name, *entry) for (folder, name), entry in found.items()]


def fill(yard: Yard, entries: list[tuple[str, str, str, Any]]) -> None:
    for folder, name, kind, data in entries:
        outside = yard.folder / "outside-folder"
        make_entry(yard.site / folder / name, kind, expand(data), link_to=outside)


def outside(yard: Yard) -> dict[str, bytes]:
    """Return the files beside the environment."""
    return content(yard.folder / "outside-folder") | {
        "outside": (yard.folder / "outside").read_bytes()
    }


@pytest.mark.stress
@fuzz(40)
@given(entries=distributions(), remove=st.booleans())
def test_commit_in_any_environment_changes_it_inside_or_refuses(
    template: Yard, wheel: UnpackedWheel, entries: list[tuple[str, str, str, Any]], remove: bool
) -> None:
    before = outside(template)
    with Environment(template) as yard:
        fill(yard, entries)
        with limited(InstallError, OSError):
            installed = installed_distributions(yard.env)
            unmet_requirements(installed, set(installed), yard.env.interpreter.environment)
            for dist in scan_distributions(yard.env.layout):
                assert dist.editable in (True, False)
                assert (dist.installer, dist.requested, dist.linked_tree) is not None
            if remove:
                names = [canonicalize_name(name) for name in NAMES]
                yard.put(remove=[name for name in names if name in installed])
            else:
                yard.put(wheel)
        assert (yard.bin / "python").exists()
        assert (yard.env.prefix / "pyvenv.cfg").exists()
    assert outside(template) == before


PLAN = {
    "changes": [{"name": "a", "old": "1", "new": "2"}],
    "steps": [
        ["put", "lib/x", [1, 2, 3], None],
        ["swap", "lib/python3.11", [1, -1, -1], [2, -1, -1]],
        ["trash", "pyvenv.cfg", None, [1, 2, 3]],
        ["rmdir", "../outside-folder", None, [1, -1, -1]],
    ],
}


@pytest.mark.stress
@fuzz(30)
@given(data=damaged_json(PLAN) | damaged(b'{"changes":[],"steps":[["put","lib/x",null,null]]}'))
def test_read_plan_of_any_bytes_is_inside_or_refused(template: Yard, data: bytes) -> None:
    with Environment(template) as yard:
        folder = yard.env.prefix / STAGING_DIR / ("0" * 16)
        folder.mkdir(parents=True, mode=0o700)
        (folder / PLAN_FILE).write_bytes(expand(data))
        with limited(InvalidPlanError):
            plan = read_plan(folder, EnvPaths(yard.env.layout))
            assert isinstance(plan, Plan)
            assert not [step for step in plan.steps if step.path.startswith(("/", ".."))]
        before = outside(template)
        with limited(InstallError):
            recover(yard.env)
        assert outside(template) == before
        assert (yard.env.prefix / "pyvenv.cfg").exists()
