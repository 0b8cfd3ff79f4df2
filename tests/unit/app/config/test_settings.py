"""The engine's settings, derived from flags, environment and file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import pool
from app.config.settings import derive_settings
from app.config.sources import ConfigSources

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def settings_of(
    cwd: Path,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Mapping[str, object] | None = None,
    argv: tuple[str, ...] = (),
) -> pool.Settings:
    without_pip = {"PIP_CONFIG_FILE": "/dev/null", "HOME": str(cwd)}
    sources = ConfigSources(flags or {}, {**without_pip, **(environ or {})}, file or {})
    return derive_settings(sources, argv, cwd)


def test_defaults_come_from_the_machine_and_the_table(cwd: Path) -> None:
    default = settings_of(cwd)
    assert 1 <= default.builds <= pool.MAX_BUILDS
    assert default.downloads == 8
    assert default.out_dir == cwd / "wheelhouse"
    assert default.journal is None
    assert default.lock_timeout is None


def test_config_settings_of_one_key_make_a_list(cwd: Path) -> None:
    flags = {"config_settings": ("a=1", "b=x=y", "a=2", "a=3", "c=")}
    expected = {"a": ["1", "2", "3"], "b": "x=y", "c": ""}
    assert settings_of(cwd, flags).config_settings == expected


def test_each_key_of_config_settings_comes_from_its_first_source(cwd: Path) -> None:
    merged = settings_of(
        cwd,
        {"config_settings": ("a=flag",)},
        {"WHEELPOOL_CONFIG_SETTINGS": "a=env b=env"},
        {"config_settings": {"b": "file", "c": ["file"]}},
    )
    assert merged.config_settings == {"a": "flag", "b": "env", "c": ["file"]}


@pytest.mark.parametrize("text", ["novalue", "=value", ""])
def test_a_config_setting_without_key_or_value_is_refused(cwd: Path, text: str) -> None:
    with pytest.raises(pool.SettingsError, match="KEY=VALUE"):
        settings_of(cwd, {"config_settings": (text,)})


def test_the_index_of_the_file_counts_where_our_variables_are_unset(cwd: Path) -> None:
    file = {"index_url": "https://file.test/simple", "find_links": ["/links"]}
    environ = {"PIP_INDEX_URL": "https://pip.test/simple"}
    assert settings_of(cwd, {}, environ, file).index.index_url == "https://file.test/simple"
    environ["WHEELPOOL_INDEX_URL"] = "https://ours.test/simple"
    assert settings_of(cwd, {}, environ, file).index.index_url == "https://ours.test/simple"
    flags = {"index_url": "https://flag.test/simple"}
    index = settings_of(cwd, flags, environ, file).index
    assert index.index_url == "https://flag.test/simple"
    assert index.find_links == ("/links",)


def test_the_index_of_the_file_is_not_in_the_environment_of_hooks(cwd: Path) -> None:
    environ = settings_of(cwd, file={"index_url": "https://x.test"}).environ
    assert "WHEELPOOL_INDEX_URL" not in environ


def test_credentials_and_invalid_bytes_do_not_reach_the_journal(cwd: Path) -> None:
    argv = ("--index-url", "https://me:secret@x.test/simple", "caf\udce9")
    expected = ("--index-url", "https://***@x.test/simple", "caf�")
    assert settings_of(cwd, argv=argv).argv == expected


def test_a_journal_does_not_overwrite_another_file(cwd: Path) -> None:
    (cwd / "notes.txt").write_text("mine")
    with pytest.raises(pool.SettingsError, match=r"notes\.txt: file exists and is not"):
        settings_of(cwd, {"log": "notes.txt"})


def test_a_journal_overwrites_an_older_one(cwd: Path) -> None:
    (cwd / "run.jsonl").write_text('{"wheelpool":"0.1.0"}\n')
    assert settings_of(cwd, {"log": "run.jsonl"}).journal == cwd / "run.jsonl"


def test_a_state_directory_that_cannot_be_created_is_named(
    cwd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cwd / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(cwd / "file"))
    with pytest.raises(pool.OutputError, match="file/wheelpool: cannot create dir") as caught:
        settings_of(cwd)
    assert "XDG_STATE_HOME" in caught.value.hint
