"""What the engine is asked to do, made from what the user says.

Machine-dependent defaults live here, so that `pool.Settings` is complete and plain. Indexes are
worked out by `pool`, which knows pip's configuration; this module only adds our own file to it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import platformdirs
from packaging.utils import canonicalize_name

import pool
from app.config.sources import state_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from app.config.sources import ConfigSources

__all__ = ["settings"]

DEFAULT_DOWNLOADS = 8
DEFAULT_RETRIES = 2


def settings(
    said: ConfigSources,
    argv: Sequence[str],
    cwd: Path,
    *,
    index: pool.IndexOverrides | None = None,
    install: bool = False,
) -> pool.Settings:
    """Work out a run's settings.

    Args:
        said: what the user says, by flag, environment and configuration.
        argv: the command line for the journal; secrets in it are starred out here.
        cwd: what relative paths are relative to.
        index: what requirement files say of indexes.
        install: an environment is the aim, not wheels.

    Raises:
        SettingsError: a value that cannot be used, named by where it was said.
        OutputError: a folder of ours that cannot be made.
    """
    builds = said.count("builds", _processors())
    return pool.Settings(
        builds=builds,
        downloads=said.count("downloads", DEFAULT_DOWNLOADS),
        installs=said.count("installs", _processors()),
        # Who asks for more builds than processors means it; each needs a job.
        jobs=said.count("jobs", max(_processors(), builds)),
        jobs_follow=not said.count("jobs", 0),
        out_dir=None if install else said.path("out_dir", cwd) or cwd / "wheelhouse",
        cache_dir=_made(platformdirs.user_cache_path("wheelpool"), "XDG_CACHE_HOME"),
        state_dir=_made(state_dir(), "XDG_STATE_HOME"),
        journal=_journal(said.path("log", cwd)),
        index=_index(said, index or pool.IndexOverrides()),
        environ=said.environ,
        argv=tuple(map(_unicode, pool.redact_args(argv))),
        python=said.command("python", cwd),
        deps=said.truth("deps", otherwise=install),
        installs_into=(said.path("into", cwd) or "active") if install else None,
        upgrade=said.truth("upgrade"),
        not_isolated=_not_isolated(said),
        cache=not said.truth("no_cache"),
        refresh=_names(said.texts("refresh")),
        config_settings=_config_settings(said),
        copy=said.truth("copy"),
        fail_fast=said.truth("fail_fast"),
        memory=said.memory(),
        retries=said.count("retries", DEFAULT_RETRIES, least=0, most=DEFAULT_RETRIES),
        lock_timeout=said.seconds("lock_timeout"),
    )


def _processors() -> int:
    """Return how many processors this process may use."""
    usable = os.cpu_count() or 1
    if sys.platform == "linux":
        usable = len(os.sched_getaffinity(0))
    return min(usable, pool.MAX_BUILDS)


def _made(folder: Path, variable: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise pool.OutputError(
            f"{folder}: cannot be made: {pool.os_error_text(problem)}",
            hint=f"choose another place with {variable}",
        ) from problem
    return folder


def _journal(path: Path | None) -> Path | None:
    """Refuse to write a log over a file that is something else."""
    if path is None or not path.is_file():
        return path
    with path.open("rb") as file:
        beginning = file.read(12)
    if beginning and not beginning.startswith(b'{"wheelpool"'):
        raise pool.SettingsError(
            f"--log {path}: is there already, and is no log of wheelpool",
            hint="name another file, or remove that one",
        )
    return path


def _not_isolated(said: ConfigSources) -> frozenset[str]:
    if said.truth("no_build_isolation"):
        return frozenset({pool.ALL})
    return _names(said.texts("no_build_isolation_package"))


def _names(texts: Iterable[str]) -> frozenset[str]:
    """Return names as requirements have them; several may be said with commas."""
    said = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    return frozenset(name if name == pool.ALL else canonicalize_name(name) for name in said)


def _index(said: ConfigSources, files: pool.IndexOverrides) -> pool.IndexSettings:
    """Our own file speaks where our own variables are silent; pip's and uv's come after both.

    What requirement files say counts more than all of these, and less than flags.
    """
    flags, file = said.flags, said.file
    ours = {
        "WHEELPOOL_INDEX_URL": file.index_url or "",
        "WHEELPOOL_EXTRA_INDEX_URL": " ".join(file.extra_index_url),
        "WHEELPOOL_FIND_LINKS": " ".join(file.find_links),
        "WHEELPOOL_NO_INDEX": "1" if file.no_index else "",
    }
    unset = {name: value for name, value in ours.items() if value and not said.environ.get(name)}
    overrides = pool.IndexOverrides(
        index_url=flags.index_url or files.index_url,
        extra_index_urls=(*files.extra_index_urls, *flags.extra_index_url),
        find_links=(*files.find_links, *flags.find_links),
        no_index=flags.no_index or files.no_index,
        trusted_hosts=files.trusted_hosts,
    )
    return pool.index_settings({**said.environ, **unset}, overrides)


def _config_settings(said: ConfigSources) -> dict[str, str | list[str]]:
    variable = "WHEELPOOL_CONFIG_SETTINGS"
    from_variable = _pairs(said.environ.get(variable, "").split(), variable)
    from_flags = _pairs(said.flags.config_settings, "-C")
    return {**said.file.config_settings, **from_variable, **from_flags}


def _pairs(texts: Sequence[str], where: str) -> dict[str, str | list[str]]:
    """Read ``KEY=VALUE``; a key that comes again makes a list, as with pip and build."""
    pairs: dict[str, str | list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise pool.SettingsError(f"{where} {text}: not of the form KEY=VALUE")
        match pairs.get(key):
            case None:
                pairs[key] = value
            case str(first):
                pairs[key] = [first, value]
            case list(several):
                several.append(value)
    return pairs


def _unicode(word: str) -> str:
    """Return a word of the command line fit for a journal, which is UTF-8."""
    return word.encode(errors="surrogateescape").decode(errors="replace")
