"""Where packages come from: pip's configuration, uv's and our own variables, and flags.

Later sources win: pip's files, ``PIP_*``, ``UV_*``, ``WHEELPOOL_*``, flags. Lists of further
indexes and links add up, as pip's do.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import platformdirs

from pool.common.errors import SettingsError
from pool.sources.index.settings import DEFAULT_TIMEOUT, IndexSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "IndexOverrides",
    "PipRules",
    "found_files",
    "index_settings",
    "pip_rules",
]

_SECTIONS = ("global", "download", "install", "wheel")
"""The sections of pip's files that count here; later ones override earlier ones."""


# uv lets an index have a name: internal=https://host/simple
_UV_NAME = re.compile(r"^[\w.-]+=")


class IndexOverrides(msgspec.Struct, frozen=True, kw_only=True):
    """What the flags and requirement files say."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()


def index_settings(
    environ: Mapping[str, str], overrides: IndexOverrides | None = None
) -> IndexSettings:
    """Work out where packages come from.

    Raises:
        SettingsError: a configuration file that cannot be read, or a bad value; both are named.
    """
    given = overrides or IndexOverrides()
    said = _from_files(environ) | _from_pip_variables(environ)
    uv_index, uv_extra = _from_uv(environ)
    extra = [*said.get("extra-index-url", "").split(), *uv_extra]
    extra += environ.get("WHEELPOOL_EXTRA_INDEX_URL", "").split()
    links = [*said.get("find-links", "").split(), *_uv_links(environ)]
    links += environ.get("WHEELPOOL_FIND_LINKS", "").split()
    no_index = given.no_index or _no_index(environ, said)
    index = environ.get("WHEELPOOL_INDEX_URL") or uv_index or said.get("index-url")
    return IndexSettings(
        index_url="" if no_index else given.index_url or index or _pips_default(),
        extra_index_urls=(*extra, *given.extra_index_urls),
        find_links=tuple(_expanded(link) for link in (*links, *given.find_links)),
        no_index=no_index,
        trusted_hosts=(
            *said.get("trusted-host", "").split(),
            *environ.get("UV_INSECURE_HOST", "").split(),
            *given.trusted_hosts,
        ),
        cert=said.get("cert")
        or environ.get("SSL_CERT_FILE")
        or environ.get("REQUESTS_CA_BUNDLE")
        or None,
        client_cert=said.get("client-cert") or None,
        netrc=environ.get("NETRC") or str(_home(environ) / ".netrc"),
        proxy=said.get("proxy") or None,
        timeout=_seconds(said.get("timeout") or said.get("default-timeout")),
    )


class PipRules(msgspec.Struct, frozen=True, kw_only=True):
    """What pip's configuration says of requests, not of indexes."""

    constraints: tuple[str, ...] = ()
    """Files."""
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    """Names with commas between them, as the options have them."""
    pre: bool = False
    require_hashes: bool = False


def pip_rules(environ: Mapping[str, str]) -> PipRules:
    """Read what pip's files and variables say of requests.

    Raises:
        SettingsError: a configuration file that cannot be read.
    """
    said = _from_files(environ) | _from_pip_variables(environ)
    return PipRules(
        constraints=tuple(said.get("constraint", "").split()),
        no_binary=tuple(said.get("no-binary", "").split()),
        only_binary=tuple(said.get("only-binary", "").split()),
        pre=_truth(said.get("pre", "")),
        require_hashes=_truth(said.get("require-hashes", "")),
    )


def _no_index(environ: Mapping[str, str], said: Mapping[str, str]) -> bool:
    ours = ("WHEELPOOL_NO_INDEX", "UV_NO_INDEX")
    return any(map(_truth, (said.get("no-index", ""), *(environ.get(name, "") for name in ours))))


def _from_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Read pip's files: a later file overrides an earlier one, a later section any file.

    An empty value takes back what an earlier file said in that section (as pip has it).
    """
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for path in _files(environ):
        parser = _parsed(path)
        for name, values in sections.items():
            if parser.has_section(name):
                values.update({_key(key): value for key, value in parser.items(name)})
    return {k: v for values in sections.values() for k, v in values.items() if v}


def _parsed(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as problem:
        reason = " ".join(str(problem).split())
        raise SettingsError(f"{path}: not readable as pip's configuration: {reason}") from problem
    return parser


def _key(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())


def found_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return those of pip's configuration files that there are."""
    return tuple(path for path in _files(environ) if path.is_file())


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield pip's files in the order in which they override each other."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    home = _home(environ)
    yield from (Path(folder, "pip", "pip.conf") for folder in _site_folders(environ))
    yield Path("/etc/pip.conf")
    if not (named and Path(named).exists()):
        yield home / ".pip" / "pip.conf"
        if sys.platform == "darwin":
            yield home / "Library" / "Application Support" / "pip" / "pip.conf"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    # The environment that is active is the one whose pip the user would call.
    yield Path(environ.get("VIRTUAL_ENV") or sys.prefix) / "pip.conf"
    if named:
        yield Path(named)


def _site_folders(environ: Mapping[str, str]) -> list[str]:
    if sys.platform == "darwin":
        return [str(Path(platformdirs.site_config_dir()))]
    return (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)


def _from_pip_variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_") and value
    }


def _from_uv(environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return uv's default index, and its further ones without their names."""
    named = [_UV_NAME.sub("", url) for url in environ.get("UV_INDEX", "").split()]
    default = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or ""
    default = _UV_NAME.sub("", default)
    return default, [*named, *environ.get("UV_EXTRA_INDEX_URL", "").split()]


def _uv_links(environ: Mapping[str, str]) -> list[str]:
    return [link for link in environ.get("UV_FIND_LINKS", "").split(",") if link]


def _expanded(link: str) -> str:
    return link if "://" in link else str(Path(link).expanduser())


def _pips_default() -> str:
    """Return the index that pip asks when nobody says anything else."""
    # Only pip knows; its import is paid by those who have configured no index.
    from pip._internal.models.index import PyPI  # noqa: PLC0415

    return str(PyPI.simple_url)


def _truth(value: str) -> bool:
    return value.strip().lower() in ("1", "true", "yes", "on", "t", "y")


def _seconds(value: str | None) -> float:
    try:
        seconds = float(value) if value else DEFAULT_TIMEOUT
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise SettingsError(f"pip's timeout is {value!r}, not a number of seconds")
    return seconds
