"""A cached wheel is used exactly if a build would make the same one now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.corpus.rebuilds import REBUILDS, Rebuild, make
from tests.support.sandbox import Sandbox

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
