"""Any sequence of sets of distributions leaves the files that a model predicts.

Paths are few, so that folders are shared, files collide, and modules move between distributions.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from pool.cache.unpacked_wheels import UnpackedWheel
from pool.common.errors import InstallError
from pool.install.installed import installed_distributions
from tests.support.installs import Yard, content, leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("a", "b", "c")
PATHS = ("one.py", "two.py", "p/x.py", "p/y.py", "p/q/x.py", "p/q/y.py", "p/r/z.py", "s/x.py")
Files = dict[str, str]
Sets = list[dict[str, Files | None]]

files = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["", "1", "2"]), max_size=6)
sets = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.one_of(files, st.none()), min_size=1),
    min_size=1,
    max_size=6,
)
mine = st.dictionaries(st.sampled_from(("p/mine", "p/q/mine", "s/mine", "mine")), st.just("mine"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    return Yard(tmp_path_factory.mktemp("property"))


@pytest.fixture(scope="module")
def yard(template: Yard) -> Iterator[Yard]:
    copy = template.copy_to("used")
    yield copy
    shutil.rmtree(copy.env.prefix)


def wheel(folder: Path, name: str, version: str, files_of_wheel: Files) -> UnpackedWheel:
    """Make an unpacked wheel without bytecode, which takes a process."""
    info = f"{name}-{version}.dist-info"
    root = Path(tempfile.mkdtemp(dir=folder))
    texts = {**files_of_wheel, f"{info}/METADATA": f"Name: {name}\nVersion: {version}\n"}
    rows = [f"{path},{_digest(text)},{len(text)}" for path, text in texts.items()]
    texts[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    for path, text in texts.items():
        (root / "purelib" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "purelib" / path).write_text(text)
    return UnpackedWheel(
        name=name,
        version=version,
        metadata=texts[f"{info}/METADATA"],
        entry_points=(),
        folders=(),
        files={f"purelib/{path}": (0, 0) for path in texts},
        path=root,
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Model:
    """The expected state of the environment."""

    def __init__(self, mine: Files) -> None:
        self.mine = mine
        self.installed: dict[str, tuple[str, Files]] = {}

    def allows(self, changes: dict[str, Files | None]) -> bool:
        """Tell whether no two distributions would have the same file with different content."""
        after = {
            name: files_of_wheel
            for name, (_, files_of_wheel) in self.installed.items()
            if name not in changes
        }
        after |= {
            name: files_of_wheel
            for name, files_of_wheel in changes.items()
            if files_of_wheel is not None
        }
        found: Files = {}
        return all(
            found.setdefault(path, text) == text
            for files_of_wheel in after.values()
            for path, text in files_of_wheel.items()
        )

    def change(self, changes: dict[str, Files | None], version: str) -> None:
        for name, files_of_wheel in changes.items():
            self.installed.pop(name, None)
            if files_of_wheel is not None:
                self.installed[name] = version, files_of_wheel

    def files(self) -> Files:
        return {
            **self.mine,
            **{
                path: text
                for _, files_of_wheel in self.installed.values()
                for path, text in files_of_wheel.items()
            },
        }


def check(yard: Yard, model: Model) -> None:
    actual = {
        path: data.decode()
        for path, data in content(yard.site).items()
        if ".dist-info/" not in path and not path.endswith("/")
    }
    assert actual == model.files()
    assert {name: one.version for name, one in installed_distributions(yard.env).items()} == {
        name: version for name, (version, _) in model.installed.items()
    }
    assert len(list(yard.site.glob("*.dist-info"))) == len(model.installed)
    assert leftovers(yard.env) == []


@settings(max_examples=150, deadline=None)
@given(sets=sets, mine=mine, exchanges=st.booleans(), failing=st.integers(0, 30))
def test_any_sequence_of_sets_leaves_the_state_of_the_model(
    yard: Yard, sets: Sets, mine: Files, exchanges: bool, failing: int
) -> None:
    """Refused sets, and sets of which one step fails, change nothing; the next one works."""
    shutil.rmtree(yard.site)
    yard.site.mkdir()
    for path, text in mine.items():
        (yard.site / path).parent.mkdir(parents=True, exist_ok=True)
        (yard.site / path).write_text(text)
    model = Model(mine)
    scratch = Path(tempfile.mkdtemp(dir=yard.folder))
    for number, changes in enumerate(sets):
        wheels = [
            wheel(scratch, name, f"{number}", files_of_wheel)
            for name, files_of_wheel in changes.items()
            if files_of_wheel is not None
        ]
        gone = [
            canonicalize_name(name)
            for name, files_of_wheel in changes.items()
            if files_of_wheel is None
        ]
        if not model.allows(changes):
            with pytest.raises(InstallError, match=r"would replace|both contain"):
                yard.put(*wheels, remove=gone)
            check(yard, model)
            continue
        steps: list[str] = []

        def step(change: str, steps: list[str] = steps) -> None:
            steps.append(change)
            if len(steps) == failing:
                raise PermissionError(13, "Permission denied", change)

        try:
            yard.put(*wheels, remove=gone, on_change=step, use_exchange=exchanges)
        except InstallError:
            check(yard, model)
            yard.put(*wheels, remove=gone, use_exchange=exchanges)
        model.change(changes, str(number))
        check(yard, model)
    shutil.rmtree(scratch)
