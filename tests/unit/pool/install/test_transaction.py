"""Sets of distributions replace what is there: wholly, and nothing else."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name

from pool.common.errors import InstallError
from pool.install.filesystem import Filesystem
from pool.install.installed import installed_distributions
from pool.install.plan import Change
from pool.install.staging import discard
from pool.install.transaction import commit, recover, remove_leftovers
from tests.support.installs import Yard, content, leftovers, run

if TYPE_CHECKING:
    from pathlib import Path

X = canonicalize_name("x")
OLD = {
    "x/__init__.py": "v = 1\n",
    "x/gone.py": "",
    "x/sub/deep.py": "",
    "gone/__init__.py": "",
    "single.py": "v = 1\n",
    "ns/x/__init__.py": "v = 1\n",
    "ns/gone/__init__.py": "",
    "DATA/scripts/tool": "1",
    "DATA/scripts/gone": "1",
    "DATA/data/share/x/old": "1",
    "DATA/headers/x.h": "1",
}
NEW = {
    "x/__init__.py": "v = 2\n",
    "x/fresh.py": "",
    "fresh/__init__.py": "",
    "single.py": "v = 2\n",
    "ns/x/__init__.py": "v = 2\n",
    "DATA/scripts/tool": "2",
    "DATA/data/share/x/new": "2",
}


def refused(yard: Yard, *wheels: object, match: str) -> InstallError:
    """Expect a refusal that leaves no trace, and return it."""
    before = content(yard.env.prefix)
    with pytest.raises(InstallError, match=match) as caught:
        yard.put(*wheels)  # type: ignore[arg-type]
    assert content(yard.env.prefix) == before
    assert leftovers(yard.env) == []
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("exchanges", [True, False])
def test_an_upgrade_leaves_what_a_fresh_install_would(yard: Yard, exchanges: bool) -> None:
    fresh = yard.copied("fresh")
    new = yard.wheel("x", "2.0", NEW)
    fresh.put(new)
    yard.put(yard.wheel("x", "1.0", OLD))
    done = yard.put(new, use_exchange=exchanges)
    assert done.changes == (Change(name="x", old="1.0", new="2.0"),)
    assert done.notes == ()
    assert content(yard.env.prefix) == content(fresh.env.prefix)
    assert leftovers(yard.env) == []
    assert run(yard.env, "import x.fresh, single, ns.x; print(x.v, single.v, ns.x.v)") == "2 2 2"


def test_a_removal_leaves_nothing(yard: Yard) -> None:
    before = content(yard.env.prefix)
    yard.put(yard.wheel("x", "1.0", OLD))
    run(yard.env, "import sys; sys.dont_write_bytecode = False; import x.gone, single")
    done = yard.put(remove=[X, canonicalize_name("unknown")])
    assert done.changes == (Change(name="x", old="1.0", new=None),)
    assert content(yard.env.prefix) == before


def test_one_is_removed_while_another_is_installed(yard: Yard) -> None:
    """A module moves from one distribution to another."""
    yard.put(yard.wheel("x", files={"x.py": "", "moves/__init__.py": "v = 1\n"}))
    done = yard.put(yard.wheel("y", files={"moves/__init__.py": "v = 2\n"}), remove=[X])
    assert [str(change) for change in done.changes] == ["y 1.0", "x 1.0 removed"]
    assert set(installed_distributions(yard.env)) == {"y"}
    assert run(yard.env, "import moves; print(moves.v)") == "2"
    assert not (yard.site / "x.py").exists()


def test_the_same_again_changes_nothing_but_metadata(yard: Yard) -> None:
    wheel = yard.wheel("x", files=OLD)
    yard.put(wheel)
    before = content(yard.env.prefix)
    yard.put(wheel)
    assert content(yard.env.prefix) == before


def test_files_of_users_survive(yard: Yard) -> None:
    yard.put(yard.wheel("x", "1.0", OLD))
    mine = [yard.site / "x/mine.py", yard.site / "gone/mine.txt", yard.bin / "mine"]
    for path in mine:
        path.write_text("mine")
    yard.put(yard.wheel("x", "2.0", NEW))
    assert [path.read_text() for path in mine] == ["mine"] * 3
    assert not (yard.site / "x/gone.py").exists()
    assert not (yard.site / "gone/__init__.py").exists()
    assert list(yard.site.glob("*/__pycache__/gone*")) == []
    assert run(yard.env, "import x.fresh; print(x.v)") == "2"


def test_bytecode_of_other_pythons_goes_with_its_source(yard: Yard) -> None:
    yard.put(yard.wheel("x", files={"x/__init__.py": "", "x/gone.py": "", "single.py": ""}))
    stray = [
        "x/__pycache__/gone.cpython-39.opt-1.pyc",
        "__pycache__/single.pypy310.pyc",
        "x/gone.pyo",
    ]
    kept = yard.site / "__pycache__/mine.cpython-39.pyc"
    for path in [*(yard.site / name for name in stray), kept]:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    yard.put(yard.wheel("x", "2.0", {"x/__init__.py": ""}))
    assert [name for name in stray if (yard.site / name).exists()] == []
    assert kept.exists()


def test_a_namespace_is_shared(yard: Yard) -> None:
    yard.put(yard.wheel("a", files={"ns/a.py": "v = 1\n"}), yard.wheel("b", files={"ns/b.py": ""}))
    yard.put(yard.wheel("a", "2.0", {"ns/a.py": "v = 2\n", "ns/c.py": ""}))
    assert run(yard.env, "import ns.a, ns.b, ns.c; print(ns.a.v)") == "2"
    yard.put(remove=[canonicalize_name("a")])
    assert run(yard.env, "import ns.b; print(len(list(ns.__path__)))") == "1"
    assert not (yard.site / "ns/a.py").exists()


def test_a_file_that_two_bring_alike_stays_with_the_other(yard: Yard) -> None:
    """As the ``__init__.py`` of old namespace packages."""
    same = {"ns/__init__.py": "shared = True\n"}
    yard.put(
        yard.wheel("a", files={**same, "ns/a.py": ""}),
        yard.wheel("b", files={**same, "ns/b.py": ""}),
    )
    yard.put(yard.wheel("c", files={**same, "ns/c.py": ""}))
    yard.put(remove=[canonicalize_name("a"), canonicalize_name("c")])
    assert run(yard.env, "import ns.b; print(ns.shared)") == "True"
    yard.put(yard.wheel("b", "2.0", {"ns/b.py": ""}))
    assert not (yard.site / "ns/__init__.py").exists()


def test_a_file_of_another_distribution_is_refused(yard: Yard) -> None:
    yard.put(yard.wheel("owner", files={"both/__init__.py": "1", "both/b.py": "1"}))
    wheels = yard.wheel("fine"), yard.wheel("x", files={"both/__init__.py": "2", "both/b.py": "2"})
    problem = refused(
        yard, *wheels, match=r"^x 1\.0 contains .*both/__init__\.py, which belongs to owner 1\.0"
    )
    assert "(and 1 more of its files)" in problem.message
    assert "owner" in problem.hint


def test_two_that_bring_one_file_are_refused(yard: Yard) -> None:
    wheels = yard.wheel("a", files={"both.py": "1"}), yard.wheel("b", files={"both.py": "2"})
    refused(yard, *wheels, match=r"^a 1\.0 and b 1\.0 both contain .*site-packages/both\.py$")


def test_a_file_and_a_folder_of_one_name_are_refused(yard: Yard) -> None:
    one, other = yard.wheel("a", files={"both": "1"}), yard.wheel("b", files={"both/x.py": "2"})
    refused(yard, one, other, match="both contain")
    refused(yard, other, one, match="both contain")


def test_nobodys_files_are_overwritten(yard: Yard) -> None:
    (yard.site / "x").mkdir()
    for name in ("x/__init__.py", "single.py"):
        (yard.site / name).write_text("nobody's")
    (yard.site / "x/mine.py").write_text("mine")
    yard.put(yard.wheel("x", "2.0", NEW))
    assert run(yard.env, "import x, single; print(x.v, single.v)") == "2 2"
    assert (yard.site / "x/mine.py").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["x-1.0-py3.11.egg-info", "x.egg-link", "x-1.0.dist-info/METADATA"]
)
def test_what_has_no_record_cannot_be_replaced(yard: Yard, name: str) -> None:
    path = yard.site / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("Name: x\n")
    problem = refused(yard, yard.wheel("x"), match=r"^x .*cannot be replaced: .* without a RECORD")
    assert "uninstall it with the tool that installed it" in problem.hint


def test_what_is_outside_is_never_removed(yard: Yard, tmp_path: Path) -> None:
    yard.put(yard.wheel("x"))
    victims = [tmp_path / "victim", yard.env.prefix.parent / "relative"]
    for victim in victims:
        victim.touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/linked").touch()
    (yard.site / "link").symlink_to(tmp_path / "outside")
    with (yard.site / "x-1.0.dist-info/RECORD").open("a") as file:
        file.write(f"{victims[0]},,\r\n../../../../relative,,\r\nlink/linked,,\r\n,,\r\n..,,\r\n")
    yard.put(remove=[X])
    assert all(victim.exists() for victim in victims)
    assert (tmp_path / "outside/linked").exists()
    assert (yard.site / "link").is_symlink()


def test_a_link_where_a_folder_must_be_is_refused(yard: Yard, tmp_path: Path) -> None:
    (yard.site / "real").mkdir()
    wheel = yard.wheel("x", files={"linked/__init__.py": ""})
    staged = yard.stage(wheel)
    (yard.site / "linked").symlink_to("real")
    with pytest.raises(InstallError, match="linked is in the way: a folder must be created there"):
        commit(staged)
    discard(staged)


def test_a_folder_where_a_file_must_be_is_refused(yard: Yard) -> None:
    (yard.site / "x.py").mkdir()
    (yard.site / "x.py/mine").touch()
    refused(yard, yard.wheel("x"), match=r"x\.py, which is a folder")


def test_files_become_folders_and_folders_files(yard: Yard) -> None:
    yard.put(yard.wheel("x", "1.0", {"one/__init__.py": "", "two": "1"}))
    yard.put(yard.wheel("x", "2.0", {"one": "2", "two/__init__.py": ""}))
    assert (yard.site / "one").read_text() == "2"
    assert (yard.site / "two/__init__.py").is_file()


def test_both_of_two_of_one_name_are_replaced(yard: Yard) -> None:
    yard.put(yard.wheel("x", "1.0", OLD))
    other = yard.site / "x-0.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Name: x\n")
    (other / "RECORD").write_text("older.py,,\n")
    (yard.site / "older.py").touch()
    yard.put(yard.wheel("x", "2.0", NEW))
    assert not (yard.site / "older.py").exists()
    assert [path.name for path in yard.site.glob("*.dist-info")] == ["x-2.0.dist-info"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_step_that_does_not_work_has_all_before_it_taken_back(
    yard: Yard, exchanges: bool
) -> None:
    """Whichever it is."""
    yard.put(yard.wheel("x", "1.0", OLD))
    wheels = yard.wheel("x", "2.0", NEW), yard.wheel("y")
    before = content(yard.env.prefix)
    seen: list[str] = []
    yard.copied("counted").put(*wheels, on_change=seen.append, use_exchange=exchanges)
    assert len(seen) > 15
    for failing in range(len(seen)):
        steps: list[str] = []

        def step(said: str, steps: list[str] = steps, failing: int = failing) -> None:
            steps.append(said)
            if len(steps) == failing + 1:
                raise OSError(errno.EACCES, "Permission denied", said)

        with pytest.raises(InstallError, match="is as it was: permission denied"):
            yard.put(*wheels, on_change=step, use_exchange=exchanges)
        assert content(yard.env.prefix) == before
        assert leftovers(yard.env) == []


def test_folders_that_cannot_be_renamed_are_gone_into(yard: Yard) -> None:
    """As in the lower layers of an overlay: whole old folders stay where they are."""
    fresh = yard.copied("fresh")
    new = yard.wheel("x", "2.0", NEW)
    fresh.put(new)
    yard.put(yard.wheel("x", "1.0", OLD))
    lower = {str(path) for path in yard.env.prefix.rglob("*") if path.is_dir()}
    staged = yard.stage(new)

    def step(said: str) -> None:
        kind, *paths = said.split()
        if kind in ("rename", "exchange") and lower & set(paths):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), said)

    done = commit(staged, on_change=step)
    discard(staged)
    assert done.notes == ()
    assert set(content(yard.env.prefix)) == set(content(fresh.env.prefix))
    assert run(yard.env, "import x.fresh, single, ns.x; print(x.v, single.v, ns.x.v)") == "2 2 2"


def test_an_exchange_that_the_file_system_refuses_is_two_renames(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pool.install.filesystem._RENAME_EXCHANGE", 1 << 20)  # EINVAL
    yard.put(yard.wheel("x", "1.0", OLD))
    yard.put(yard.wheel("x", "2.0", NEW))
    assert run(yard.env, "import x; print(x.v)") == "2"


def test_an_exchange_of_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Filesystem().exchange(str(tmp_path / "a"), str(tmp_path / "b"))


def test_nothing_to_mend_is_no_news(yard: Yard) -> None:
    assert recover(yard.env) == ()
    remove_leftovers(yard.env)
    assert leftovers(yard.env) == []


def test_an_environment_in_use_is_left_alone(yard: Yard) -> None:
    staged = yard.stage(yard.wheel("x"))
    assert recover(yard.env) == ()
    remove_leftovers(yard.env)
    assert len(leftovers(yard.env)) == 1
    assert commit(staged).changes
    discard(staged)
    assert leftovers(yard.env) == []


def test_what_neither_goes_on_nor_back_stays_for_the_next(
    yard: Yard,
) -> None:
    yard.put(yard.wheel("x", "1.0", OLD))
    staged = yard.stage(yard.wheel("x", "2.0", NEW))
    steps: list[str] = []

    def step(said: str) -> None:
        steps.append(said)
        if len(steps) > 6:
            raise OSError(errno.EIO, "Input/output error", said)

    with pytest.raises(InstallError, match="neither be finished nor rolled back") as caught:
        commit(staged, on_change=step)
    assert "again" in caught.value.hint
    discard(staged)
    assert (notes := recover(yard.env)) == (
        "finished an interrupted installation: x 1.0 -> 2.0",
    ), notes
    assert run(yard.env, "import x.fresh, single; print(x.v, single.v)") == "2 2"
    remove_leftovers(yard.env)
    assert leftovers(yard.env) == []
