"""Transactions replace distributions completely, and change no other files."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import msgspec
import pytest
from packaging.utils import canonicalize_name

from pool.common.errors import InstallError
from pool.install.filesystem import Filesystem
from pool.install.installed import installed_distributions
from pool.install.layout import WheelToInstall
from pool.install.plan import Change, Plan, Step, read_identity
from pool.install.staging import discard, stage
from pool.install.transaction import CommitResult, commit, recover, remove_leftovers
from tests.support.installs import Yard, content, leftovers, run

if TYPE_CHECKING:
    from pathlib import Path

    from pool.cache.unpacked_wheels import UnpackedWheel

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
    """Expect an error that changes nothing; return it."""
    before = content(yard.env.prefix)
    with pytest.raises(InstallError, match=match) as caught:
        yard.put(*wheels)  # type: ignore[arg-type]
    assert content(yard.env.prefix) == before
    assert leftovers(yard.env) == []
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("exchanges", [True, False])
def test_an_upgrade_has_the_files_of_a_fresh_install(yard: Yard, exchanges: bool) -> None:
    fresh = yard.copy_to("fresh")
    new = yard.wheel("x", "2.0", NEW)
    fresh.put(new)
    yard.put(yard.wheel("x", "1.0", OLD))
    result = yard.put(new, use_exchange=exchanges)
    assert result.changes == (Change(name="x", old="1.0", new="2.0"),)
    assert result.notes == ()
    assert content(yard.env.prefix) == content(fresh.env.prefix)
    assert leftovers(yard.env) == []
    assert run(yard.env, "import x.fresh, single, ns.x; print(x.v, single.v, ns.x.v)") == "2 2 2"


def test_a_removal_leaves_no_files(yard: Yard) -> None:
    before = content(yard.env.prefix)
    yard.put(yard.wheel("x", "1.0", OLD))
    run(yard.env, "import sys; sys.dont_write_bytecode = False; import x.gone, single")
    result = yard.put(remove=[X, canonicalize_name("unknown")])
    assert result.changes == (Change(name="x", old="1.0", new=None),)
    assert content(yard.env.prefix) == before


def test_one_distribution_is_removed_and_another_installed_at_once(yard: Yard) -> None:
    """A module moves from one distribution to another."""
    yard.put(yard.wheel("x", files={"x.py": "", "moves/__init__.py": "v = 1\n"}))
    result = yard.put(yard.wheel("y", files={"moves/__init__.py": "v = 2\n"}), remove=[X])
    assert [str(change) for change in result.changes] == ["y 1.0", "x 1.0 removed"]
    assert set(installed_distributions(yard.env)) == {"y"}
    assert run(yard.env, "import moves; print(moves.v)") == "2"
    assert not (yard.site / "x.py").exists()


def test_a_reinstallation_changes_only_metadata(yard: Yard) -> None:
    wheel = yard.wheel("x", files=OLD)
    yard.put(wheel)
    before = content(yard.env.prefix)
    yard.put(wheel)
    assert content(yard.env.prefix) == before


def test_files_of_users_are_preserved(yard: Yard) -> None:
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


def test_bytecode_of_other_pythons_is_removed_with_its_source(yard: Yard) -> None:
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


def test_a_namespace_package_is_shared(yard: Yard) -> None:
    yard.put(yard.wheel("a", files={"ns/a.py": "v = 1\n"}), yard.wheel("b", files={"ns/b.py": ""}))
    yard.put(yard.wheel("a", "2.0", {"ns/a.py": "v = 2\n", "ns/c.py": ""}))
    assert run(yard.env, "import ns.a, ns.b, ns.c; print(ns.a.v)") == "2"
    yard.put(remove=[canonicalize_name("a")])
    assert run(yard.env, "import ns.b; print(len(list(ns.__path__)))") == "1"
    assert not (yard.site / "ns/a.py").exists()


def test_an_identical_file_of_two_distributions_stays_for_the_other(yard: Yard) -> None:
    """For example the ``__init__.py`` of old namespace packages."""
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
        yard,
        *wheels,
        match=r"^x 1\.0 would replace .*both/__init__\.py, .*both/b\.py of owner 1\.0$",
    )
    assert problem.hint == "remove owner first, or let it: --allow-overwrite x"


def test_commit_overwriting_distribution_replaces_files_of_others(yard: Yard) -> None:
    yard.put(yard.wheel("owner", files={"both.py": "v = 1"}))
    staged = stage(yard.env, [overwriting(yard.wheel("x", files={"both.py": "v = 2"}))])
    commit(staged)
    discard(staged)
    assert run(yard.env, "import both; print(both.v)") == "2"
    yard.put(remove=[X])
    assert (yard.site / "both.py").exists()


@pytest.mark.parametrize("first", [True, False])
def test_stage_overwriting_distribution_wins(yard: Yard, first: bool) -> None:
    one, other = yard.wheel("a", files={"both.py": "1"}), yard.wheel("b", files={"both.py": "2"})
    items = [overwriting(one), WheelToInstall(wheel=other)]
    if not first:
        items = [WheelToInstall(wheel=one), overwriting(other)]
    staged = stage(yard.env, items)
    commit(staged)
    discard(staged)
    assert (yard.site / "both.py").read_text() == ("1" if first else "2")


def overwriting(wheel: UnpackedWheel) -> WheelToInstall:
    return WheelToInstall(wheel=wheel, overwrites=True)


def test_commit_egg_link_is_replaced(yard: Yard, tmp_path: Path) -> None:
    (yard.site / "x.egg-link").write_text(f"{tmp_path}/src\n.")
    (yard.site / "easy-install.pth").write_text(f"/other\n{tmp_path}/src\n")
    yard.put(yard.wheel("x"))
    assert not (yard.site / "x.egg-link").exists()
    assert (yard.site / "easy-install.pth").read_text() == "/other\n"


def test_commit_egg_link_is_removed(yard: Yard, tmp_path: Path) -> None:
    (yard.site / "x.egg-link").write_text(f"{tmp_path}\n.")
    (yard.site / "easy-install.pth").write_text(f"{tmp_path}\n")
    yard.put(remove=[X])
    assert not (yard.site / "x.egg-link").exists()
    assert (yard.site / "easy-install.pth").read_text() == ""


def test_commit_scripts_of_an_egg_link_are_removed(yard: Yard, tmp_path: Path) -> None:
    info = tmp_path / "src/X.egg-info"
    (info / "scripts").mkdir(parents=True)
    (info / "scripts/copied").touch()
    points = "[console_scripts]\none = x:f\nbroken\n../../victim = x:f\npython = x:f\n"
    (info / "entry_points.txt").write_text(points + "[gui_scripts]\ntwo = x\n[other]\nthree = x\n")
    (yard.site / "x.egg-link").write_text(f"{info.parent}\n.")
    yard.put(yard.wheel("y", files={"DATA/scripts/broken": "#!python\n"}))
    for path in ("bin/one", "bin/two", "bin/three", "bin/copied", "victim"):
        (yard.env.prefix / path).touch()
    yard.put(remove=[X])
    assert (yard.env.prefix / "victim").exists()
    left = {"one", "two", "three", "copied", "broken", "python"} & {
        path.name for path in yard.bin.iterdir()
    }
    assert left == {"three", "broken", "python"}


@pytest.mark.parametrize("link", ["", ".", "/gone", "a\0b", "/a\0b"])
def test_commit_egg_link_without_a_tree_is_removed(yard: Yard, link: str) -> None:
    (yard.site / "x.egg-link").write_text(link)
    yard.put(remove=[X])
    assert not (yard.site / "x.egg-link").exists()


def make_egg_info(yard: Yard, name: str, **texts: str) -> Path:
    info = yard.site / name
    info.mkdir()
    for stem, text in texts.items():
        (info / f"{stem}.txt").write_text(text)
    return info


def test_commit_distribution_with_top_level_names_is_replaced(yard: Yard, tmp_path: Path) -> None:
    """As in pip: its modules and packages are removed, but nothing of others."""
    top_level = "x\nsingle\nspace\nshared\nlink\n..\n/etc\n../victim\n"
    info = make_egg_info(
        yard, "x.egg-info", top_level=top_level, namespace_packages="space\n", entry_points=""
    )
    (info / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: x\nVersion: 1.0\n")
    make_egg_info(yard, "z-1.egg-info", top_level="shared\n")
    yard.put(yard.wheel("y", files={"x/of_y.py": ""}))
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/module.py").touch()
    (yard.site / "link").symlink_to(tmp_path / "tree")
    for path in ("x/sub/old.py", "single.py", "space/old.py", "shared/old.py", "../victim"):
        (yard.site / path).parent.mkdir(exist_ok=True, parents=True)
        (yard.site / path).touch()
    result = yard.put(remove=[X])
    assert result == CommitResult(changes=(Change(name="x", old="1.0", new=None),), notes=())
    left = ("x/of_y.py", "space/old.py", "shared/old.py", "../victim")
    assert all((yard.site / path).exists() for path in left)
    gone = ("x/sub", "single.py", "x.egg-info", "link")
    assert not any(os.path.lexists(yard.site / path) for path in gone)
    assert (tmp_path / "tree/module.py").exists()


def test_commit_distribution_without_any_list_is_replaced_with_a_note(yard: Yard) -> None:
    info = make_egg_info(yard, "x-1.0-py3.11.egg-info", dependency_links="")
    (note,) = yard.put(yard.wheel("x", "2.0")).notes
    assert note == (f"x 1.0 has no list of its files: only its metadata was removed ({info})")
    assert not info.exists()


def test_commit_distribution_with_installed_files_is_replaced(yard: Yard) -> None:
    info = yard.site / "x-1.0-py3.11.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: x\nVersion: 1.0\n")
    (info / "installed-files.txt").write_text("../x/__init__.py\n../x/gone.py\nPKG-INFO\n")
    (yard.site / "x").mkdir()
    for name in ("__init__.py", "gone.py"):
        (yard.site / "x" / name).write_text("v = 1\n")
    result = yard.put(yard.wheel("x", "2.0", NEW))
    assert result.changes == (Change(name="x", old="1.0", new="2.0"),)
    assert not info.exists()
    assert not (yard.site / "x/gone.py").exists()


@pytest.mark.parametrize(
    "files",
    [
        {"DATA/scripts/python": "x"},
        {"DATA/scripts/python3": "x"},
        {"DATA/scripts/activate": "x"},
        {"DATA/data/bin/python": "x"},
        {"DATA/data/pyvenv.cfg": "x"},
        {"DATA/data/.lock": "x"},
        {"DATA/data/.wheelpool/0123456789abcdef/plan.json": "{}"},
        {"INFO/entry_points.txt": "[console_scripts]\npython3 = x:main\n"},
    ],
)
def test_stage_file_of_the_environment_is_refused(yard: Yard, files: dict[str, str]) -> None:
    refused(
        yard, yard.wheel("x", files=files), match=r"would replace .*, a file of the environment"
    )


def test_commit_removal_leaves_files_of_the_environment(yard: Yard) -> None:
    yard.put(yard.wheel("x"))
    with (yard.site / "x-1.0.dist-info/RECORD").open("a") as file:
        file.write("../../../bin/python,,\r\n../../../pyvenv.cfg,,\r\n")
    yard.put(remove=[X])
    assert (yard.bin / "python").exists()
    assert (yard.env.prefix / "pyvenv.cfg").exists()


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_recover_plan_of_no_installation_changes_nothing(
    yard: Yard, tmp_path: Path, mode: int
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x")
    folder = yard.env.prefix / ".wheelpool/0123456789abcdef"
    (folder / "new").mkdir(parents=True)
    (folder / "old").mkdir()
    folder.chmod(mode)
    outside = os.path.relpath(victim, yard.env.prefix)
    step = Step(kind="trash", path=outside, old=read_identity(str(victim)))
    plan = Plan(changes=(), steps=(step,))
    (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
    (note,) = recover(yard.env)
    assert "is not carried out" in note
    assert victim.exists()
    assert recover(yard.env) == ()
    remove_leftovers(yard.env)
    assert (folder / "unreadable-plan.json").exists()


@pytest.mark.parametrize("text", ["", "{}", "[", "[" * 100_000, '{"changes": [], "steps": 7}'])
def test_recover_unreadable_plan_is_set_aside(yard: Yard, text: str) -> None:
    folder = yard.env.prefix / ".wheelpool/0123456789abcdef"
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    (folder / "plan.json").write_text(text)
    (note,) = recover(yard.env)
    assert "it cannot be read" in note
    assert yard.put(yard.wheel("x")).notes == ()


def test_two_wheels_with_one_different_file_are_refused(yard: Yard) -> None:
    wheels = yard.wheel("a", files={"both.py": "1"}), yard.wheel("b", files={"both.py": "2"})
    refused(yard, *wheels, match=r"^a 1\.0 and b 1\.0 both contain .*site-packages/both\.py$")


def test_a_file_and_a_folder_of_one_name_are_refused(yard: Yard) -> None:
    one, other = yard.wheel("a", files={"both": "1"}), yard.wheel("b", files={"both/x.py": "2"})
    refused(yard, one, other, match="both contain")
    refused(yard, other, one, match="both contain")


def test_files_without_an_owner_are_overwritten(yard: Yard) -> None:
    (yard.site / "x").mkdir()
    for name in ("x/__init__.py", "single.py"):
        (yard.site / name).write_text("no owner")
    (yard.site / "x/mine.py").write_text("mine")
    yard.put(yard.wheel("x", "2.0", NEW))
    assert run(yard.env, "import x, single; print(x.v, single.v)") == "2 2"
    assert (yard.site / "x/mine.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["x-1.0-py3.11.egg-info", "x-1.0.dist-info/METADATA"])
def test_a_distribution_without_record_cannot_be_replaced(yard: Yard, name: str) -> None:
    path = yard.site / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("Name: x\n")
    problem = refused(yard, yard.wheel("x"), match=r"^x .*cannot be replaced: .* without a RECORD")
    assert "uninstall it with the tool that installed it" in problem.hint


def test_files_outside_of_the_environment_are_never_removed(yard: Yard, tmp_path: Path) -> None:
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


def test_two_distributions_of_the_same_name_are_both_replaced(yard: Yard) -> None:
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
def test_a_failed_step_rolls_back_all_before_it(yard: Yard, exchanges: bool) -> None:
    yard.put(yard.wheel("x", "1.0", OLD))
    wheels = yard.wheel("x", "2.0", NEW), yard.wheel("y")
    before = content(yard.env.prefix)
    seen: list[str] = []
    yard.copy_to("counted").put(*wheels, on_change=seen.append, use_exchange=exchanges)
    assert len(seen) > 15
    for failing in range(len(seen)):
        steps: list[str] = []

        def step(change: str, steps: list[str] = steps, failing: int = failing) -> None:
            steps.append(change)
            if len(steps) == failing + 1:
                raise OSError(errno.EACCES, "Permission denied", change)

        with pytest.raises(InstallError, match="is as it was: permission denied"):
            yard.put(*wheels, on_change=step, use_exchange=exchanges)
        assert content(yard.env.prefix) == before
        assert leftovers(yard.env) == []


def test_folders_that_cannot_be_renamed_are_entered(yard: Yard) -> None:
    """As in the lower layers of an overlay: old folders are not renamed."""
    fresh = yard.copy_to("fresh")
    new = yard.wheel("x", "2.0", NEW)
    fresh.put(new)
    yard.put(yard.wheel("x", "1.0", OLD))
    lower = {str(path) for path in yard.env.prefix.rglob("*") if path.is_dir()}
    staged = yard.stage(new)

    def step(change: str) -> None:
        kind, *paths = change.split()
        if kind in ("rename", "exchange") and lower & set(paths):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), change)

    result = commit(staged, on_change=step)
    discard(staged)
    assert result.notes == ()
    assert set(content(yard.env.prefix)) == set(content(fresh.env.prefix))
    assert run(yard.env, "import x.fresh, single, ns.x; print(x.v, single.v, ns.x.v)") == "2 2 2"


def test_an_unsupported_exchange_is_done_by_two_renames(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pool.install.filesystem._RENAME_EXCHANGE", 1 << 20)  # EINVAL
    yard.put(yard.wheel("x", "1.0", OLD))
    yard.put(yard.wheel("x", "2.0", NEW))
    assert run(yard.env, "import x; print(x.v)") == "2"


def test_an_exchange_of_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Filesystem().exchange(str(tmp_path / "a"), str(tmp_path / "b"))


def test_recovery_without_leftovers_has_no_notes(yard: Yard) -> None:
    assert recover(yard.env) == ()
    remove_leftovers(yard.env)
    assert leftovers(yard.env) == []


def test_the_staging_folder_of_a_live_process_is_left_alone(yard: Yard) -> None:
    staged = yard.stage(yard.wheel("x"))
    assert recover(yard.env) == ()
    remove_leftovers(yard.env)
    assert len(leftovers(yard.env)) == 1
    assert commit(staged).changes
    discard(staged)
    assert leftovers(yard.env) == []


def test_a_transaction_that_cannot_be_finished_or_rolled_back_stays_for_the_next(
    yard: Yard,
) -> None:
    yard.put(yard.wheel("x", "1.0", OLD))
    staged = yard.stage(yard.wheel("x", "2.0", NEW))
    steps: list[str] = []

    def step(change: str) -> None:
        steps.append(change)
        if len(steps) > 6:
            raise OSError(errno.EIO, "Input/output error", change)

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
