"""Environments with folders on other volumes: a transaction changes them like any other."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name

from pool.common.errors import InstallError
from pool.install.environment import find_environment
from pool.install.environment_files import STAGING_DIR
from pool.install.layout import EnvPaths
from pool.install.staging import discard
from pool.install.transaction import commit, recover, remove_leftovers
from pool.install.volumes import Stages, Volumes, read_roots
from tests.support.installs import Yard, content, leftovers, run
from tests.support.mounts import mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

X = canonicalize_name("x")
OLD = {
    "x/__init__.py": "v = 1\n",
    "x/gone.py": "",
    "x/part/__init__.py": "",
    "single.py": "v = 1\n",
    "DATA/scripts/tool": "1",
    "DATA/scripts/gone": "1",
    "DATA/data/share/x/old": "1",
    "DATA/data/etc/x.conf": "1",
}
NEW = {
    "x/__init__.py": "v = 2\n",
    "x/fresh.py": "",
    "x/part/__init__.py": "",
    "single.py": "v = 2\n",
    "DATA/scripts/tool": "2",
    "DATA/data/share/x/new": "2",
    "DATA/data/etc/x.conf": "2",
}


@pytest.fixture
def mounted_yard(yard: Yard, tmp_path: Path) -> Iterator[Yard]:
    """Modules, data and one package are mounted; commands are a mount of the same volume."""
    for name in ("share", "etc", f"{yard.site.relative_to(yard.env.prefix)}/x/part"):
        (yard.env.prefix / name).mkdir(parents=True)
    (tmp_path / "commands").mkdir()
    shutil.copytree(yard.bin, tmp_path / "commands", symlinks=True, dirs_exist_ok=True)
    with ExitStack() as mounts:
        mounts.enter_context(mounted(yard.site))
        (yard.site / "x/part").mkdir(parents=True)
        for folder in (yard.site / "x/part", yard.env.prefix / "share", yard.env.prefix / "etc"):
            mounts.enter_context(mounted(folder))
        mounts.enter_context(mounted(yard.bin, bind=tmp_path / "commands"))
        yield yard


@pytest.fixture(params=["spread_yard", "mounted_yard"])
def volumes_yard(request: pytest.FixtureRequest) -> Yard:
    yard: Yard = request.getfixturevalue(request.param)
    return yard


def check_volumes(yard: Yard) -> None:
    """The folders still are on other volumes."""
    assert yard.site.is_symlink() or yard.site.is_mount()
    assert yard.bin.is_symlink() == yard.site.is_symlink()
    assert leftovers(yard.env) == []
    assert not list(yard.env.prefix.rglob(STAGING_DIR))


@pytest.mark.parametrize("exchanges", [True, False])
def test_commit_other_volumes_upgrades_and_removes(volumes_yard: Yard, exchanges: bool) -> None:
    yard = volumes_yard
    before = content(yard.env.prefix)
    yard.put(yard.wheel("x", "1.0", OLD))
    assert run(yard.env, "import x.gone, single; print(x.v, single.v)") == "1 1"
    result = yard.put(yard.wheel("x", "2.0", NEW), use_exchange=exchanges)
    assert result.notes == ()
    assert run(yard.env, "import x.fresh, x.part, single; print(x.v, single.v)") == "2 2"
    assert (yard.bin / "tool").read_text() == "2"
    assert not (yard.bin / "gone").exists()
    assert not (yard.site / "x/gone.py").exists()
    check_volumes(yard)
    yard.put(remove=[X])
    after = content(yard.env.prefix)
    assert {path for path in after if not path.endswith("/")} == {
        path for path in before if not path.endswith("/")
    }
    check_volumes(yard)


def test_commit_failed_step_on_other_volume_rolls_all_back(volumes_yard: Yard) -> None:
    yard = volumes_yard
    yard.put(yard.wheel("x", "1.0", OLD))
    before = content(yard.env.prefix)
    steps: list[str] = []

    def fail_at_command(change: str) -> None:
        steps.append(change)
        if change.endswith("bin/tool"):
            raise PermissionError(13, "Permission denied", change)

    with pytest.raises(InstallError, match="is as it was: permission denied"):
        yard.put(yard.wheel("x", "2.0", NEW), on_change=fail_at_command)
    assert len(steps) > 4
    assert content(yard.env.prefix) == before
    check_volumes(yard)


def test_remove_leftovers_other_volumes_are_cleaned(spread_yard: Yard) -> None:
    """As after a kill before the commit, which releases the lock."""
    staged = spread_yard.stage(spread_yard.wheel("x", "1.0", OLD))
    assert len(leftovers(spread_yard.env)) == 3
    staged.lock.release()
    remove_leftovers(spread_yard.env)
    check_volumes(spread_yard)


def test_recover_missing_volume_is_an_error_with_a_way_out(spread_yard: Yard) -> None:
    yard = spread_yard
    staged = yard.stage(yard.wheel("x", "1.0", OLD))
    with pytest.raises(InstallError, match="neither be finished"):
        commit(staged, on_change=_failing_after(3))
    discard(staged)
    target = yard.site.resolve()
    target.rename(target.with_name("away"))
    target.mkdir()
    with pytest.raises(InstallError, match=r"has files in .*which is not there") as caught:
        recover(yard.env)
    assert str(yard.env.prefix / STAGING_DIR) in caught.value.hint
    target.rmdir()
    target.with_name("away").rename(target)
    assert recover(yard.env) == ("finished an interrupted installation: x 1.0",)
    assert run(yard.env, "import x; print(x.v)") == "1"
    remove_leftovers(yard.env)
    check_volumes(yard)


def _failing_after(number: int) -> Callable[[str], None]:
    steps: list[str] = []

    def fail(change: str) -> None:
        steps.append(change)
        if len(steps) > number:
            raise OSError(5, "Input/output error", change)

    return fail


def test_read_roots_torn_or_foreign_line_is_left_out(spread_yard: Yard) -> None:
    paths = EnvPaths(spread_yard.env.layout)
    site = paths.schemes["purelib"]
    (spread_yard.folder / "volumes.jsonl").write_text(f'"{site}"\n"../x"\n"/x"\n7\n"bi')
    assert read_roots(spread_yard.folder, paths) == [site]


def test_stages_nearest_root_has_the_files(tmp_path: Path) -> None:
    stages = Stages(tmp_path / "p/.wheelpool/1", ["lib", "lib/x"])
    assert stages.new("a/b") == f"{tmp_path}/p/.wheelpool/1/new/a/b"
    assert stages.new("lib/b/c") == f"{tmp_path}/p/lib/.wheelpool/1/new/b/c"
    assert stages.new("lib/x/c") == f"{tmp_path}/p/lib/x/.wheelpool/1/new/c"
    assert stages.old("lib/x", 7) == f"{tmp_path}/p/lib/.wheelpool/1/old/7"


def test_paths_linked_scheme_has_one_name(spread_yard: Yard) -> None:
    paths = EnvPaths(spread_yard.env.layout)
    site = spread_yard.site.relative_to(spread_yard.env.prefix).as_posix()
    assert paths.schemes["purelib"] == site
    assert paths.relative(spread_yard.site) == site
    assert paths.normalize(f"{os.path.realpath(spread_yard.site)}/x/y.py") == f"{site}/x/y.py"
    assert paths.normalize("../../../bin/x", site) == "bin/x"
    assert paths.normalize(f"lib64/{site.partition('/')[2]}/x.py") == f"{site}/x.py"
    assert Volumes(paths).is_root(site)
    assert not Volumes(paths).is_root("lib")


def test_find_environment_linked_folders_are_accepted(spread_yard: Yard) -> None:
    prefix = spread_yard.env.prefix
    assert find_environment(prefix, os.environ).layout == spread_yard.env.layout
