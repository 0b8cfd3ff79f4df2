"""The engine's settings, derived from the sources of configuration.

Defaults that depend on the machine are here, so that `pool.Settings` is complete and plain. `pool`
derives the index settings, because it reads pip's configuration; this module passes it
wheelpool.toml as well.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pool
from app.config.options import find_option
from app.config.paths import cache_dir, state_dir
from app.config.sources import ConfigSources

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["derive_settings"]


def derive_settings(
    sources: ConfigSources,
    argv: Sequence[str],
    cwd: Path,
    *,
    index: pool.IndexOverrides | None = None,
    install: bool = False,
    process_start: float | None = None,
) -> pool.Settings:
    """Return the settings of a run.

    Args:
        sources: flags, environment and configuration file.
        argv: the command line for the journal; secrets in it are redacted here.
        cwd: the directory that relative paths are relative to.
        index: the index options of requirements files.
        install: install into an environment instead of writing wheels.
        process_start: when this process started, on the system's monotonic clock.

    Raises:
        SettingsError: a value is invalid; the message names its source.
        OutputError: the cache or state directory cannot be created.
    """
    builds = sources.integer("builds", _count_cpus())
    return pool.Settings(
        builds=builds,
        downloads=sources.integer("downloads"),
        installs=sources.integer("installs", _count_cpus()),
        # Each build needs a job, so more builds than processors need more jobs.
        jobs=sources.integer("jobs", max(_count_cpus(), builds)),
        jobs_follow=not sources.integer("jobs", 0),
        out_dir=None if install else sources.path("out_dir", cwd) or cwd / "wheelhouse",
        cache_dir=_create_directory(cache_dir(), "XDG_CACHE_HOME"),
        state_dir=_create_state_directory(),
        journal=_check_journal(sources.path("log", cwd)),
        index=_merge_index_settings(sources, index or pool.IndexOverrides()),
        environ=sources.environ,
        owns_process=True,
        process_start=process_start,
        argv=tuple(map(_replace_invalid_bytes, pool.redact_args(argv))),
        python=sources.program("python", cwd),
        deps=sources.boolean("deps", default=install),
        installs_into=(sources.path("into", cwd) or "active") if install else None,
        upgrade=sources.boolean("upgrade"),
        overwriting=_parse_names(sources.strings("allow_overwrite")),
        not_isolated=_parse_no_isolation(sources),
        cache=not sources.boolean("no_cache"),
        refresh=_parse_names(sources.strings("refresh")),
        config_settings=_parse_config_settings(sources),
        copy=sources.boolean("copy"),
        warm=sources.boolean("warm", default=True),
        fail_fast=sources.boolean("fail_fast"),
        memory=sources.memory_budget(),
        retries=sources.integer("retries"),
        lock_timeout=sources.seconds("lock_timeout"),
        notes=pool.describe_ignored_settings(sources.environ),
    )


def _count_cpus() -> int:
    """Return the number of processors that this process may use."""
    return min(pool.count_processors().usable, pool.MAX_BUILDS)


def _create_directory(folder: Path, variable: str, mode: int = 0o777) -> Path:
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
    except OSError as problem:
        raise pool.OutputError(
            f"{folder}: cannot create directory: {pool.os_error_text(problem)}",
            hint=f"set {variable} to a directory that you may write to",
        ) from problem
    return folder


def _create_state_directory() -> Path:
    """Create the state directory; only its user can read the runs in it, older ones included."""
    folder = _create_directory(state_dir(), "XDG_STATE_HOME", 0o700)
    for private in (folder, folder / "runs"):
        with suppress(OSError):  # It does not exist, or belongs to another user.
            private.chmod(0o700)
    return folder


def _check_journal(path: Path | None) -> Path | None:
    """Refuse to overwrite a file that is not a journal."""
    if path is None or not path.is_file():
        return path
    with path.open("rb") as file:
        first_bytes = file.read(12)
    if first_bytes and not first_bytes.startswith(b'{"wheelpool"'):
        raise pool.SettingsError(
            f"--log {path}: file exists and is not a wheelpool journal",
            hint="choose another file, or delete this one",
        )
    return path


def _parse_no_isolation(sources: ConfigSources) -> frozenset[str]:
    if sources.boolean("no_build_isolation"):
        return frozenset({pool.ALL})
    return _parse_names(sources.strings("no_build_isolation_package"))


def _parse_names(texts: Iterable[str]) -> frozenset[str]:
    """Return canonical project names; each text may have several, separated by commas."""
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    return frozenset(name if name == pool.ALL else pool.canonicalize_name(name) for name in names)


def _merge_index_settings(sources: ConfigSources, files: pool.IndexOverrides) -> pool.IndexSettings:
    """Return the index settings of all sources.

    wheelpool.toml counts where the WHEELPOOL_ variables are unset, and more than pip's and uv's
    settings. Requirements files count more than all of these, and flags most.
    """
    flags = ConfigSources(sources.flags, {}, {})
    overrides = pool.IndexOverrides(
        index_url=flags.string("index_url") or files.index_url,
        extra_index_urls=(*files.extra_index_urls, *flags.strings("extra_index_url")),
        find_links=(*files.find_links, *flags.strings("find_links")),
        no_index=flags.boolean("no_index") or files.no_index,
        trusted_hosts=files.trusted_hosts,
    )
    return pool.read_index_settings({**sources.environ, **_index_variables(sources)}, overrides)


def _index_variables(sources: ConfigSources) -> dict[str, str]:
    """Return index settings of wheelpool.toml as the variables that are unset."""
    file = ConfigSources({}, {}, sources.file)
    values = {
        "index_url": file.string("index_url") or "",
        "extra_index_url": " ".join(file.strings("extra_index_url")),
        "find_links": " ".join(file.strings("find_links")),
        "no_index": "1" if file.boolean("no_index") else "",
    }
    variables = {find_option(name).variables[0]: value for name, value in values.items() if value}
    return {name: value for name, value in variables.items() if not sources.environ.get(name)}


def _parse_config_settings(sources: ConfigSources) -> dict[str, str | list[str]]:
    """Return the settings for build backends; each key comes from its first source."""
    variable = find_option("config_settings").variables[0]
    from_variable = _parse_pairs(sources.environ.get(variable, "").split(), variable)
    from_flags = _parse_pairs(ConfigSources(sources.flags, {}, {}).strings("config_settings"), "-C")
    from_file = sources.file.get("config_settings")
    return {**(from_file if isinstance(from_file, dict) else {}), **from_variable, **from_flags}


def _parse_pairs(texts: Sequence[str], source: str) -> dict[str, str | list[str]]:
    try:
        return pool.parse_config_settings(texts, source)
    except ValueError as problem:
        raise pool.SettingsError(str(problem)) from problem


def _replace_invalid_bytes(word: str) -> str:
    """Return a word of the command line as valid UTF-8, which journals are."""
    return word.encode(errors="surrogateescape").decode(errors="replace")
