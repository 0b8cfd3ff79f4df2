"""A cached wheel is used exactly if a build would make the same one now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.corpus.hook_trees import make_hook_tree
from tests.corpus.rebuilds import REBUILDS, Rebuild, make
from tests.support.sandbox import Sandbox, pack_sdist

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.template_process import TemplateProcess


@pytest.mark.parametrize("case", REBUILDS, ids=lambda case: case.name)
def test_second_build_is_cached_only_with_equal_inputs(
    case: Rebuild, tmp_path: Path, backends: Path, template: TemplateProcess
) -> None:
    folder, home = tmp_path / "work", tmp_path / "home"
    for new in (folder, home, home / "home"):
        new.mkdir()
    sandbox = Sandbox(root=home, wheels=backends)
    make(case, folder)
    outputs = []
    for environ in case.environs:
        done = template.run(
            ["build", "t", "--no-ui", "-o", "out"],
            environ={**sandbox.environ, **environ},
            folder=folder,
            logs=tmp_path,
        )
        assert done.code == 0, done.out + done.err
        outputs.append(done.out + done.err)
        if len(outputs) == 1:
            case.change(folder)
    assert case.words in outputs[0]
    assert f"1 {case.second} in" in outputs[1], outputs


def test_second_build_of_an_archive_that_lists_the_folders_above_it_is_cached(
    tmp_path: Path, backends: Path, template: TemplateProcess
) -> None:
    """As setuptools-scm does, which looks for a repository; others write to these folders."""
    home = tmp_path / "home"
    (home / "home").mkdir(parents=True)
    sandbox = Sandbox(root=home, wheels=backends)
    lists = "import pathlib\n[os.listdir(one) for one in pathlib.Path.cwd().parents]"
    make_hook_tree(tmp_path, lists)
    archive = pack_sdist(tmp_path, tmp_path / "t")
    outputs = []
    for number in range(2):
        (home / f"new-{number}").touch()
        done = template.run(
            ["build", str(archive), "--no-ui", "-o", "out"],
            environ=sandbox.environ,
            folder=tmp_path,
            logs=tmp_path,
        )
        assert done.code == 0, done.out + done.err
        outputs.append(done.out + done.err)
    assert "1 built in" in outputs[0]
    assert "1 cached in" in outputs[1]
