"""Configuration of indexes and requests: pip's files, ``PIP_*``, ``UV_*`` and own variables, flags.

Later sources override earlier ones: pip's files, ``PIP_*``, ``UV_*``, ``WHEELPOOL_*``, flags. Extra
indexes and find-links of all sources are combined, as in pip.
"""

from __future__ import annotations

import errno
import math
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pool.common.errors import SettingsError, os_error_text
from pool.common.files import expand_user, read_limited
from pool.common.lazy_pattern import LazyPattern
from pool.sources.index.proxies import read_proxies
from pool.sources.index.settings import DEFAULT_RETRIES, DEFAULT_TIMEOUT, IndexSettings
from pool.system.process_limits import reraise_shortage

if TYPE_CHECKING:
    import configparser
    from collections.abc import Iterator, Mapping

    from pool.sources.index.settings import KeyringProvider

__all__ = [
    "IndexOverrides",
    "PipRequestOptions",
    "existing_config_files",
    "read_index_settings",
    "read_pip_files",
    "read_pip_request_options",
    "read_pip_variables",
]

MAX_BYTES = 1 << 20
"""Bytes of a configuration file."""
_SECTIONS = ("global", "download", "install", "wheel")
"""The sections of pip's files that are read; later ones override earlier ones."""


_MAX_DIGITS = 3
"""Digits of a number of attempts."""
# In uv an index may have a name: internal=https://host/simple
_UV_NAME = LazyPattern(r"^[\w.-]+=")


class IndexOverrides(msgspec.Struct, frozen=True, kw_only=True):
    """The index options of flags and requirements files."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()


def read_index_settings(
    environ: Mapping[str, str], overrides: IndexOverrides | None = None
) -> IndexSettings:
    """Read the settings of the index client from all sources.

    Raises:
        SettingsError: a configuration file cannot be read, or a value is invalid; it is named.
    """
    flags = overrides or IndexOverrides()
    values = read_pip_files(environ) | read_pip_variables(environ)
    uv_index, uv_extra = _read_uv_indexes(environ)
    extra = [*values.get("extra-index-url", "").split(), *uv_extra]
    extra += environ.get("WHEELPOOL_EXTRA_INDEX_URL", "").split()
    links = [*values.get("find-links", "").split(), *_read_uv_links(environ)]
    links += environ.get("WHEELPOOL_FIND_LINKS", "").split()
    no_index = flags.no_index or _no_index(environ, values)
    proxies = read_proxies(environ, values.get("proxy"))
    if not no_index:
        proxies.check_usable()
    index = environ.get("WHEELPOOL_INDEX_URL") or uv_index or values.get("index-url")
    return IndexSettings(
        index_url="" if no_index else flags.index_url or index or _pip_default_index(),
        extra_index_urls=(*extra, *flags.extra_index_urls),
        find_links=tuple(_expand(link) for link in (*links, *flags.find_links)),
        no_index=no_index,
        trusted_hosts=(
            *values.get("trusted-host", "").split(),
            *environ.get("UV_INSECURE_HOST", "").split(),
            *flags.trusted_hosts,
        ),
        cert=values.get("cert")
        or environ.get("SSL_CERT_FILE")
        or environ.get("REQUESTS_CA_BUNDLE")
        or None,
        client_cert=values.get("client-cert") or None,
        netrc=environ.get("NETRC") or str(_home(environ) / ".netrc"),
        arguments=tuple(_arguments(flags)),
        keyring=_parse_keyring(
            environ.get("UV_KEYRING_PROVIDER") or values.get("keyring-provider")
        ),
        proxies=proxies,
        retries=_parse_retries(values.get("retries")),
        timeout=_parse_timeout(values.get("timeout") or values.get("default-timeout")),
    )


def _arguments(flags: IndexOverrides) -> Iterator[str]:
    """Yield the options of the command line that give the same overrides."""
    if flags.index_url:
        yield from ("--index-url", flags.index_url)
    for url in flags.extra_index_urls:
        yield from ("--extra-index-url", url)
    for link in flags.find_links:
        yield from ("--find-links", link)
    if flags.no_index:
        yield "--no-index"


class PipRequestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options in pip's configuration that concern requests, not indexes."""

    constraints: tuple[str, ...] = ()
    """Paths of constraints files."""
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    """Values of the options: names separated by commas."""
    pre: bool = False
    require_hashes: bool = False


def read_pip_request_options(environ: Mapping[str, str]) -> PipRequestOptions:
    """Read the request options in pip's files and variables.

    Raises:
        SettingsError: a configuration file cannot be read.
    """
    values = read_pip_files(environ) | read_pip_variables(environ)
    return PipRequestOptions(
        constraints=tuple(values.get("constraint", "").split()),
        no_binary=tuple(values.get("no-binary", "").split()),
        only_binary=tuple(values.get("only-binary", "").split()),
        pre=_parse_bool(values.get("pre", "")),
        require_hashes=_parse_bool(values.get("require-hashes", "")),
    )


def _no_index(environ: Mapping[str, str], values: Mapping[str, str]) -> bool:
    ours = ("WHEELPOOL_NO_INDEX", "UV_NO_INDEX")
    return any(
        map(_parse_bool, (values.get("no-index", ""), *(environ.get(name, "") for name in ours)))
    )


def read_pip_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Read pip's files: later files override earlier ones, later sections override all files.

    An empty value removes the value of an earlier file in that section, as in pip.
    """
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for path in existing_config_files(environ):
        parser = _parse_file(path)
        for name, values in sections.items():
            if parser.has_section(name):
                values.update({_normalize_key(key): value for key, value in parser.items(name)})
    return {k: v for values in sections.values() for k, v in values.items() if v}


def _parse_file(path: Path) -> configparser.RawConfigParser:
    import configparser

    parser = configparser.RawConfigParser()
    try:
        with path.open("rb") as file:
            parser.read_string(read_limited(file, MAX_BYTES).decode("utf-8"), str(path))
    except OSError as problem:
        if problem.errno == errno.EFBIG:
            raise SettingsError(f"{path}: {os_error_text(problem)}") from problem
        reraise_shortage(problem)
    except (configparser.Error, UnicodeDecodeError) as problem:
        reason = " ".join(str(problem).split())
        raise SettingsError(f"{path}: not valid as pip's configuration: {reason}") from problem
    return parser


def _normalize_key(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or expand_user("~"))


def existing_config_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return pip's configuration files that exist."""
    return tuple(path for path in _config_files(environ) if path.exists())


def _config_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the paths of pip's files; later ones override earlier ones."""
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
    # The pip of the active environment is the one that the user would call.
    yield Path(environ.get("VIRTUAL_ENV") or sys.prefix) / "pip.conf"
    if named:
        yield Path(named)


def _site_folders(environ: Mapping[str, str]) -> list[str]:
    if sys.platform == "darwin":
        import platformdirs

        return [str(Path(platformdirs.site_config_dir()))]
    return (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)


def read_pip_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the options in ``PIP_`` variables, by the names that they have in pip's files."""
    return {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_") and value
    }


def _read_uv_indexes(environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return uv's default index, and its other indexes without their names."""
    named = [_UV_NAME.sub("", url) for url in environ.get("UV_INDEX", "").split()]
    default = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or ""
    default = _UV_NAME.sub("", default)
    return default, [*named, *environ.get("UV_EXTRA_INDEX_URL", "").split()]


def _read_uv_links(environ: Mapping[str, str]) -> list[str]:
    return [link for link in environ.get("UV_FIND_LINKS", "").split(",") if link]


def _expand(link: str) -> str:
    return link if "://" in link else str(expand_user(link))


def _pip_default_index() -> str:
    """Return the index that pip uses without any configuration."""
    # The URL is read from pip, so that no index is named here and the default is always pip's.
    # This is the only use of the dependency, and only if no index is configured. Its one module is
    # loaded without the package, whose import takes longer.
    # Not through other finders: that of setuptools imports more.
    pip = PathFinder.find_spec("pip")
    file = Path((pip and pip.origin) or "pip").parent / "_internal" / "models" / "index.py"
    spec = spec_from_file_location("pip._internal.models.index", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file}: there is no such module of pip")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.PyPI.simple_url)


def _parse_bool(value: str) -> bool:
    return value.strip().lower() in ("1", "true", "yes", "on", "t", "y")


def _parse_keyring(value: str | None) -> KeyringProvider:
    match (value or "disabled").strip().lower():
        case "disabled" | "subprocess" | "import" | "auto" as provider:
            return provider
        case _:
            raise SettingsError(
                f"the keyring provider {value!r} is not known",
                hint="pip's keyring-provider and UV_KEYRING_PROVIDER are disabled, subprocess,"
                " import or auto",
            )


def _parse_retries(value: str | None) -> int:
    if not value:
        return DEFAULT_RETRIES
    if not value.isdecimal() or len(value) > _MAX_DIGITS:
        raise SettingsError(f"pip's retries is {value!r}, not a number")
    return int(value)


def _parse_timeout(value: str | None) -> float:
    try:
        seconds = float(value) if value else DEFAULT_TIMEOUT
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise SettingsError(f"pip's timeout is {value!r}, not a number of seconds")
    return seconds
