"""Random files of others: each is read, or refused with the one error of its reader."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import default_environment
from packaging.tags import sys_tags

from app.config.options import OPTIONS
from app.config.settings import derive_settings
from app.config.sources import ConfigSources, read_file
from pool.common.errors import LockFileError, PackageIndexError, PoolError, SettingsError
from pool.requirements.ignored_settings import describe_ignored_settings
from pool.requirements.pip_config import read_index_settings, read_pip_request_options
from pool.requirements.pylock import read_lock
from pool.requirements.requirements_txt import read_requirements
from pool.sources.index.credentials import Credentials
from pool.sources.index.simple_api import HTML, JSON, parse_page
from tests.corpus import pages, requirement_files
from tests.fuzz.limits import fuzz, limited
from tests.fuzz.strategies import damaged, expand, joined, lines_of

_HTML_PIECES = [
    *("<a href='", "<a href=", "a-1.tar.gz", "a-1-py3-none-any.whl", "'>", ">", "<!--", "-->"),
    *("<base href='", "<meta name='pypi:repository-version' content='", "#sha256=", "&#99;"),
    *(" data-requires-python='", " data-yanked", "http://[::1", "file:///x/", "../", "</", "<"),
    *("<script>", "</script>", "\0", "%1b", "<DIGITS>", " data-core-metadata='true'", "//h/"),
    *(text for text in pages.READ.values() if len(text) < 200),
]
_JSON_PIECES = [
    *(
        '{"files":[',
        "]}",
        '{"url":"',
        '"filename":"',
        "a-1.tar.gz",
        '"',
        "}",
        ",",
        ":",
        "[",
        "{",
    ),
    *(
        '"hashes":{"sha256":"',
        '"size":',
        "1" + "0" * 40,
        "-1",
        "1e999",
        "null",
        "true",
        "\\ud800",
    ),
    *('"yanked":', '"requires-python":', '"core-metadata":', '"meta":{"api-version":"1.0"}'),
    '{"url":"a-1.tar.gz","filename":"a-1.tar.gz"}',
]
_LINE_PIECES = [
    *(
        "a",
        "==",
        "1.0",
        " ",
        "\n",
        "\\\n",
        "#",
        ";",
        "python_version",
        "<",
        "'",
        '"',
        "[x]",
        "@",
    ),
    *("--hash=sha256:" + "0" * 64, "-r ", "-c ", "-e ", "r.txt", "--find-links ", "--pre", "-"),
    *("${HOME}", "https://h/a-1.tar.gz", "git+https://h/x@", "./", "~", "~x/", "file:", "\0"),
    *(
        "\ud800",
        "\u2028",
        "<DIGITS>",
        "<PARENTHESES>",
        "--no-binary ",
        ":all:",
        "--config-settings ",
    ),
    *(
        text
        for text in requirement_files.BUILT_A.values()
        if isinstance(text, str) and len(text) < 80
    ),
]
_SETTING_PIECES = [
    *("[global]\n", "[install]\n", "index-url", "=", " ", "\n", "timeout", "retries", "proxy"),
    *("keyring-provider", "http://[::1", "%(x)s", ":", "\0", "<DIGITS>", "#", ";", "[", "x\n"),
]
_NETRC_PIECES = [
    "machine ",
    "login ",
    "password ",
    "default ",
    "macdef x\n",
    "h",
    " ",
    "\n",
    '"',
    "#",
    "\\",
]


@pytest.mark.stress
@fuzz(60)
@given(joined(_HTML_PIECES))
def test_parse_page_of_any_html_raises_only_its_error(page: str) -> None:
    with limited(PackageIndexError):
        files = parse_page(expand(page), HTML, "https://h/simple/a/", "a")  # type: ignore[arg-type] # normalized as it is
        assert all(file.url.startswith(("http://", "https://")) for file in files)
        assert all(file.filename.isprintable() and "/" not in file.filename for file in files)


@pytest.mark.stress
@fuzz(60)
@given(joined(_JSON_PIECES).map(expand) | st.binary(max_size=30))
def test_parse_page_of_any_json_raises_only_its_error(page: bytes) -> None:
    for body in (page, b'{"files":[' + page + b"]}"):
        with limited(PackageIndexError):
            parse_page(body, JSON, "https://h/simple/a/", "a")  # type: ignore[arg-type] # normalized as it is


def _errors_of(folder: Path, *, constraint: bool) -> list[Exception]:
    with limited():
        try:
            read_requirements("r.txt", folder, environ={"HOME": "x"}, constraint=constraint)
        except PoolError as problem:
            return [problem]
        except ExceptionGroup as problems:
            return list(problems.exceptions)
    return []


def _check_requirements(data: bytes) -> None:
    with TemporaryDirectory() as name:
        Path(name, "r.txt").write_bytes(data)
        for constraint in (False, True):
            for error in _errors_of(Path(name), constraint=constraint):
                assert isinstance(error, PoolError)
                assert "\n" not in error.message


@pytest.mark.stress
@fuzz(60)
@given(joined(_LINE_PIECES))
def test_read_requirements_of_any_text_raises_only_its_errors(text: str) -> None:
    _check_requirements(expand(text))


@pytest.mark.stress
@fuzz(60)
@given(st.binary(max_size=40))
def test_read_requirements_of_any_bytes_raises_only_its_errors(data: bytes) -> None:
    _check_requirements(data)


@pytest.mark.stress
@fuzz(60)
@given(joined(_SETTING_PIECES))
def test_read_settings_of_any_configuration_raises_only_its_error(text: str) -> None:
    with TemporaryDirectory() as name:
        path = Path(name, "pip.conf")
        path.write_bytes(expand(text))
        environ = {"HOME": name, "PIP_CONFIG_FILE": str(path), "PIP_NO_INDEX": "1"}
        for read in (read_index_settings, read_pip_request_options, describe_ignored_settings):
            with limited(SettingsError):
                read(environ)


@pytest.mark.stress
@fuzz(60)
@given(joined(_NETRC_PIECES))
def test_credentials_of_any_netrc_raise_nothing(text: str) -> None:
    with TemporaryDirectory() as name:
        path = Path(name, "netrc")
        path.write_bytes(expand(text))
        with limited():
            Credentials([], str(path)).find("https://h/x")


_LOCK = b"""lock-version = "1.0"
created-by = "x"
extras = ["e"]
default-groups = ["g"]
[[packages]]
name = "a"
version = "1"
marker = "python_version > '3'"
sdist = {name = "a-1.tar.gz", path = "a-1.tar.gz", size = 1, hashes = {sha256 = "00"}}
[[packages.wheels]]
url = "https://h/a-1-py3-none-any.whl"
hashes = {sha256 = "00"}
[[packages]]
name = "b"
vcs = {type = "git", url = "https://h/b", commit-id = "00"}
[[packages]]
name = "c"
directory = {path = "c", editable = true}
[[packages]]
name = "d"
archive = {url = "https://h/d.tar.gz", hashes = {sha256 = "00"}, subdirectory = "x"}
"""
_LOCK_PIECES = (
    *_LOCK.decode().splitlines(keepends=True),
    *("[[packages]]\n", "[", "]", "=", '"', "{", "}", "\n", "\0", "<DIGITS>", "<DEEP>", "\ud800"),
    *('name = ""\n', 'path = "/dev/zero"\n', 'url = "http://[::1"\n', "1", "nan", "1979-05-27"),
)


class _Python:
    """The part of a target Python that lock files need."""

    python_version = "3.11.7"
    tags = tuple(sys_tags())
    environment = default_environment()


@pytest.mark.stress
@fuzz(60)
@given(joined(_LOCK_PIECES) | lines_of(_LOCK.splitlines(), damaged(b'name = "a"')) | damaged(_LOCK))
def test_read_lock_of_any_file_raises_only_its_error(text: str | bytes) -> None:
    with TemporaryDirectory() as name:
        path = Path(name, "pylock.toml")
        path.write_bytes(expand(text))
        with limited(LockFileError):
            read_lock(path, _Python())  # type: ignore[arg-type] # only these are read


_CONFIGURATION_PIECES = (
    *(f"{option.key} = " for option in OPTIONS if option.key),
    *("1", "-1", "true", '"x"', '["x"]', "1.5", "nan", "\n", "{", "}", "[", "]", "\0", "<DIGITS>"),
    *("[config-settings]\n", 'x = "y"\n', 'x = ["y", 1]\n', "<DEEP>", "\ud800", '"\\ud800"', "#"),
)


@pytest.mark.stress
@fuzz(60)
@given(joined(_CONFIGURATION_PIECES))
def test_configuration_of_any_file_raises_only_its_error(text: str) -> None:
    with TemporaryDirectory() as name:
        path = Path(name, "wheelpool.toml")
        path.write_bytes(expand(text))
        environ = {
            "HOME": name,
            **{f"XDG_{kind}_HOME": f"{name}/{kind}" for kind in ("CACHE", "STATE", "CONFIG")},
        }
        with pytest.MonkeyPatch.context() as patched, limited(SettingsError):
            for variable, value in environ.items():
                patched.setenv(variable, value)
            derive_settings(ConfigSources({}, environ, read_file(path)), [], Path(name))
