"""Who says what about a run: flags, then environment, then the user's configuration file.

The one place that reads the process's environment, and it reads it once. A value that cannot be
used is refused by the name of the place where it was said. Deliberately knows nothing of the
engine's settings; `app.config.settings` makes those from what is said.
"""

from __future__ import annotations

import math
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
import platformdirs

import pool
from app.config.terminal import supports_title
from app.config.themes import THEMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ConfigFile",
    "ConfigSources",
    "DisplayOptions",
    "Flags",
    "Verbosity",
    "configuration_path",
    "display_options",
    "environment",
    "read_file",
    "state_dir",
]

Verbosity: TypeAlias = Literal["quiet", "normal", "verbose"]

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line says; None or empty where it says nothing."""

    builds: str | None = None
    downloads: str | None = None
    installs: str | None = None
    jobs: str | None = None
    out_dir: str | None = None
    python: str | None = None
    requirement: tuple[str, ...] = ()
    constraint: tuple[str, ...] = ()
    pylock: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    editable: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    pre: bool | None = None
    require_hashes: bool | None = None
    deps: bool | None = None
    into: str | None = None
    upgrade: bool | None = None
    config_settings: tuple[str, ...] = ()
    no_build_isolation: bool | None = None
    no_build_isolation_package: tuple[str, ...] = ()
    no_cache: bool | None = None
    refresh: tuple[str, ...] = ()
    index_url: str | None = None
    extra_index_url: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    log: str | None = None
    no_ui: bool | None = None
    json: bool | None = None
    fail_fast: bool | None = None
    retries: str | None = None
    memory: str | None = None
    copy: bool | None = None
    lock_timeout: str | None = None
    verbose: bool | None = None
    quiet: bool | None = None
    github: bool | None = None
    theme: str | None = None
    bell: bool | None = None


class ConfigFile(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"
):
    """The keys of ``wheelpool.toml``; each is named after its flag."""

    builds: int | None = None
    downloads: int | None = None
    installs: int | None = None
    jobs: int | None = None
    out_dir: str | None = None
    python: str | None = None
    no_binary: list[str] = []
    only_binary: list[str] = []
    pre: bool | None = None
    deps: bool | None = None
    config_settings: dict[str, str | list[str]] = {}
    no_build_isolation: bool | None = None
    no_build_isolation_package: list[str] = []
    no_cache: bool | None = None
    index_url: str | None = None
    extra_index_url: list[str] = []
    find_links: list[str] = []
    no_index: bool | None = None
    no_ui: bool | None = None
    fail_fast: bool | None = None
    retries: int | None = None
    memory: str | int | None = None
    copy: bool | None = None
    lock_timeout: float | None = None
    verbose: bool | None = None
    quiet: bool | None = None
    theme: str | None = None
    bell: bool | None = None


def environment() -> dict[str, str]:
    """Return a copy of the process's environment."""
    return dict(os.environ)  # noqa: TID251 - read here once, and handed down from here


def configuration_path() -> Path:
    """Return where the user's configuration is, whether or not it is there."""
    return platformdirs.user_config_path("wheelpool") / "wheelpool.toml"


def state_dir() -> Path:
    """Return where saved runs are."""
    return platformdirs.user_state_path("wheelpool")


def read_file(path: Path) -> ConfigFile:
    """Read a configuration file; one that is not there says nothing.

    Raises:
        SettingsError: it is no TOML, or has an unknown key or a value of a wrong type.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(data, ConfigFile)
    except FileNotFoundError:
        return ConfigFile()
    except msgspec.ValidationError as problem:
        raise pool.SettingsError(f"{path}: {_plain(problem)}", hint=_keys()) from problem
    except (OSError, ValueError) as problem:
        raise pool.SettingsError(f"{path}: {problem}") from problem


def _plain(problem: msgspec.ValidationError) -> str:
    """Say the key first: ``builds: expected int, got str``."""
    text = str(problem).replace("`", "").replace(" | null", "")
    what, _, where = text.partition(" - at $.")
    words = what.replace("Object contains unknown field", "unknown key")
    words = words[:1].lower() + words[1:]
    return f"{where}: {words}" if where else words


def _keys() -> str:
    names = (field.encode_name for field in msgspec.structs.fields(ConfigFile))
    return "the keys are " + ", ".join(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayOptions:
    """How a run is shown."""

    no_ui: bool
    json: bool
    """Events on stdout instead of the paths of wheels."""
    verbosity: Verbosity
    github: bool = False
    """Whether GitHub's runner reads along: groups and annotations for it."""
    job_summary: Path | None = None
    """Where GitHub takes a summary in Markdown from."""
    theme: str | None = None
    """One of `app.config.themes.THEMES`; None where nobody said one."""
    title: bool = False
    """Whether the terminal's window has a title to be set."""
    bell: bool = False
    """Whether the end is rung."""


def display_options(said: ConfigSources) -> DisplayOptions:
    """Work out how to show a run.

    Raises:
        SettingsError: a value that is neither true nor false, or a theme that there is not.
    """
    json, quiet, verbose = said.truth("json"), said.truth("quiet"), said.truth("verbose")
    verbosity: Verbosity = "quiet" if quiet else "verbose" if verbose else "normal"
    github = said.truth("github", otherwise=said.environ.get("GITHUB_ACTIONS") == "true")
    summary = said.environ.get("GITHUB_STEP_SUMMARY", "") if github else ""
    return DisplayOptions(
        no_ui=json or said.truth("no_ui"),
        json=json,
        verbosity=verbosity,
        github=github,
        job_summary=Path(summary) if summary else None,
        theme=said.choice("theme", THEMES),
        title=supports_title(said.environ),
        bell=said.truth("bell"),
    )


class ConfigSources:
    """Who says what, the strongest voice first; remembers where, for messages."""

    def __init__(self, flags: Flags, environ: Mapping[str, str], file: ConfigFile) -> None:
        self.flags = flags
        self.environ = environ
        self.file = file

    def _first(self, name: str) -> tuple[str, object]:
        """Return where a value was said, and the value; None for one that nobody said."""
        if (flag := getattr(self.flags, name)) is not None:
            return f"--{name.replace('_', '-')}", flag
        for variable in _variables(name):
            if text := self.environ.get(variable, "").strip():
                return variable, text
        return f"{name.replace('_', '-')} in wheelpool.toml", getattr(self.file, name, None)

    def count(self, name: str, default: int, *, least: int = 1, most: int = pool.MAX_BUILDS) -> int:
        """Return a cap, or another number of things."""
        where, value = self._first(name)
        if value is None:
            return default
        try:
            number = int(str(value))
        except ValueError:
            number = -1
        if not least <= number <= most:
            raise pool.SettingsError(
                f"{where}: {str(value)!r} is not a whole number from {least} to {most}"
            )
        return number

    def memory(self) -> int | None:
        """Return the budget in bytes, worked out for this machine; None for none."""
        where, value = self._first("memory")
        try:
            return pool.budget_of("auto" if value is None else str(value))
        except pool.SettingsError as problem:
            raise pool.SettingsError(f"{where}: {problem}", hint=problem.hint) from problem

    def seconds(self, name: str) -> float | None:
        """Return a duration; None where nobody said one."""
        where, value = self._first(name)
        if value is None:
            return None
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise pool.SettingsError(f"{where}: {str(value)!r} is not a number of seconds")
        return number

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all that was said in one place: by flags, else by the variable, else the file."""
        if flags := getattr(self.flags, name):
            return tuple(flags)
        for variable in _variables(name):
            if text := self.environ.get(variable, "").strip():
                return tuple(text.split())
        return tuple(getattr(self.file, name, ()))

    def truth(self, name: str, *, otherwise: bool = False) -> bool:
        """Return whether something is wanted; ``otherwise`` where nobody said so."""
        where, value = self._first(name)
        if value is None or isinstance(value, bool):
            return otherwise if value is None else value
        text = str(value).lower()
        if text not in _TRUE + _FALSE:
            raise pool.SettingsError(f"{where}: {value!r} is neither true nor false")
        return text in _TRUE

    def choice(self, name: str, among: Sequence[str]) -> str | None:
        """Return one of some words; None where nobody said one."""
        where, value = self._first(name)
        if value is not None and value not in among:
            raise pool.SettingsError(f"{where}: {value!r} is none of {', '.join(among)}")
        return None if value is None else str(value)

    def path(self, name: str, cwd: Path) -> Path | None:
        """Return an absolute path; None where nobody said one."""
        where, value = self._first(name)
        if value is None:
            return None
        if not (text := str(value)):
            raise pool.SettingsError(f"{where}: is empty")
        return cwd / Path(text).expanduser()

    def command(self, name: str, cwd: Path) -> Path | None:
        """Return a program's path, or its bare name, which is looked for along PATH."""
        path = self.path(name, cwd)
        _, value = self._first(name)
        return Path(str(value)) if path and "/" not in str(value) else path


def _variables(name: str) -> tuple[str, ...]:
    if name in ("builds", "downloads", "installs"):
        concurrent = f"CONCURRENT_{name.upper()}"
        return f"WHEELPOOL_{concurrent}", f"UV_{concurrent}"
    return (f"WHEELPOOL_{name.upper()}",)
