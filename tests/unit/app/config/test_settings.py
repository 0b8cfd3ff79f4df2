"""What the engine is asked, made from what the user says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import pool
from app.config.settings import settings
from app.config.sources import ConfigFile, ConfigSources, Flags

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def made(
    cwd: Path,
    flags: Flags | None = None,
    environ: dict[str, str] | None = None,
    file: ConfigFile | None = None,
    argv: tuple[str, ...] = (),
) -> pool.Settings:
    quiet = {"PIP_CONFIG_FILE": "/dev/null", "HOME": str(cwd)}
    said = ConfigSources(flags or Flags(), {**quiet, **(environ or {})}, file or ConfigFile())
    return settings(said, argv, cwd)


def test_without_a_word_the_machine_decides(cwd: Path) -> None:
    asked = made(cwd)
    assert 1 <= asked.builds <= pool.MAX_BUILDS
    assert asked.downloads == 8
    assert asked.out_dir == cwd / "wheelhouse"
    assert asked.journal is None
    assert asked.lock_timeout is None


def test_config_settings_of_one_key_make_a_list(cwd: Path) -> None:
    flags = Flags(config_settings=("a=1", "b=x=y", "a=2", "a=3", "c="))
    assert made(cwd, flags).config_settings == {"a": ["1", "2", "3"], "b": "x=y", "c": ""}


def test_config_settings_come_key_by_key_from_the_strongest(cwd: Path) -> None:
    asked = made(
        cwd,
        Flags(config_settings=("a=flag",)),
        {"WHEELPOOL_CONFIG_SETTINGS": "a=env b=env"},
        ConfigFile(config_settings={"b": "file", "c": ["file"]}),
    )
    assert asked.config_settings == {"a": "flag", "b": "env", "c": ["file"]}


@pytest.mark.parametrize("text", ["novalue", "=value", ""])
def test_a_config_setting_has_a_key_and_a_value(cwd: Path, text: str) -> None:
    with pytest.raises(pool.SettingsError, match="KEY=VALUE"):
        made(cwd, Flags(config_settings=(text,)))


def test_the_file_says_the_index_where_our_variables_do_not(cwd: Path) -> None:
    file = ConfigFile(index_url="https://file.test/simple", find_links=["/links"])
    environ = {"PIP_INDEX_URL": "https://pip.test/simple"}
    assert made(cwd, None, environ, file).index.index_url == "https://file.test/simple"
    environ["WHEELPOOL_INDEX_URL"] = "https://ours.test/simple"
    assert made(cwd, None, environ, file).index.index_url == "https://ours.test/simple"
    flags = Flags(index_url="https://flag.test/simple")
    asked = made(cwd, flags, environ, file).index
    assert asked.index_url == "https://flag.test/simple"
    assert asked.find_links == ("/links",)


def test_what_we_tell_ourselves_about_indexes_is_not_told_to_hooks(cwd: Path) -> None:
    assert (
        "WHEELPOOL_INDEX_URL" not in made(cwd, file=ConfigFile(index_url="https://x.test")).environ
    )


def test_credentials_and_odd_bytes_do_not_reach_the_journal(cwd: Path) -> None:
    argv = ("--index-url", "https://me:secret@x.test/simple", "caf\udce9")
    assert made(cwd, argv=argv).argv == ("--index-url", "https://***@x.test/simple", "caf�")


def test_a_log_is_not_written_over_something_else(cwd: Path) -> None:
    (cwd / "notes.txt").write_text("mine")
    with pytest.raises(pool.SettingsError, match=r"notes\.txt: is there already"):
        made(cwd, Flags(log="notes.txt"))


def test_a_log_is_written_over_an_older_one(cwd: Path) -> None:
    (cwd / "run.jsonl").write_text('{"wheelpool":"0.1.0"}\n')
    assert made(cwd, Flags(log="run.jsonl")).journal == cwd / "run.jsonl"


def test_a_state_directory_that_cannot_be_made_is_named(
    cwd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cwd / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(cwd / "file"))
    with pytest.raises(pool.OutputError, match="file/wheelpool: cannot be made") as caught:
        made(cwd)
    assert "XDG_STATE_HOME" in caught.value.hint
