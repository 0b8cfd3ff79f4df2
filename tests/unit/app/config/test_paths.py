"""The user's directories are those of `platformdirs`."""

from __future__ import annotations

import platformdirs
import pytest

from app.config.paths import cache_dir, configuration_path, state_dir


@pytest.mark.parametrize("home", ["/home/someone", "/home/someone/", "relative", ""])
@pytest.mark.parametrize("base", [None, "", " ", "/base", "/base/", " /base ", "relative"])
def test_directories_are_those_of_platformdirs(
    monkeypatch: pytest.MonkeyPatch, home: str, base: str | None
) -> None:
    monkeypatch.setenv("HOME", home)
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        if base is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, base)
    assert configuration_path() == platformdirs.user_config_path("wheelpool") / "wheelpool.toml"
    assert state_dir() == platformdirs.user_state_path("wheelpool")
    assert cache_dir() == platformdirs.user_cache_path("wheelpool")
