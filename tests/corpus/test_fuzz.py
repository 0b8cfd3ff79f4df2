"""Random files of others: each is read, or refused with the one error of its reader."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pool.common.errors import PackageIndexError, PoolError, SettingsError
from pool.requirements.ignored_settings import describe_ignored_settings
from pool.requirements.pip_config import read_index_settings, read_pip_request_options
from pool.requirements.requirements_txt import read_requirements
from pool.sources.index.credentials import Credentials
from pool.sources.index.simple_api import HTML, JSON, parse_page
from tests.corpus import pages, requirement_files

STRESS = int(os.environ.get("WHEELPOOL_STRESS", "1"))
FUZZ = settings(max_examples=100 * STRESS, deadline=None, suppress_health_check=list(HealthCheck))

_HTML_PIECES = st.sampled_from(
    [
        *("<a href='", "<a href=", "a-1.tar.gz", "a-1-py3-none-any.whl", "'>", ">", "<!--", "-->"),
        *("<base href='", "<meta name='pypi:repository-version' content='", "#sha256=", "&#99;"),
        *(" data-requires-python='", " data-yanked", "http://[::1", "file:///x/", "../", "</", "<"),
        *("<script>", "</script>", "\0", "%1b", "9" * 5000, " data-core-metadata='true'", "//h/"),
        *(text for text in pages.READ.values() if len(text) < 200),
    ]
)
_JSON_PIECES = st.sampled_from(
    [
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
)
_LINE_PIECES = st.sampled_from(
    [
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
            "9" * 5000,
            "(" * 1200,
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
)
_SETTING_PIECES = st.sampled_from(
    [
        *("[global]\n", "[install]\n", "index-url", "=", " ", "\n", "timeout", "retries", "proxy"),
        *("keyring-provider", "http://[::1", "%(x)s", ":", "\0", "9" * 5000, "#", ";", "[", "x\n"),
    ]
)
_NETRC_PIECES = st.sampled_from(
    ["machine ", "login ", "password ", "default ", "macdef x\n", "h", " ", "\n", '"', "#", "\\"]
)


def joined(pieces: st.SearchStrategy[str], size: int = 14) -> st.SearchStrategy[str]:
    return st.lists(pieces | st.text(max_size=4), max_size=size).map("".join)


@FUZZ
@given(joined(_HTML_PIECES))
def test_parse_page_of_any_html_raises_only_its_error(page: str) -> None:
    with suppress(PackageIndexError):
        files = parse_page(page.encode("utf-8", "replace"), HTML, "https://h/simple/a/", "a")  # type: ignore[arg-type] # normalized as it is
        assert all(file.url.startswith(("http://", "https://")) for file in files)
        assert all(file.filename.isprintable() and "/" not in file.filename for file in files)


@FUZZ
@given(
    joined(_JSON_PIECES).map(lambda text: text.encode("utf-8", "replace")) | st.binary(max_size=30)
)
def test_parse_page_of_any_json_raises_only_its_error(page: bytes) -> None:
    for body in (page, b'{"files":[' + page + b"]}"):
        with suppress(PackageIndexError):
            parse_page(body, JSON, "https://h/simple/a/", "a")  # type: ignore[arg-type] # normalized as it is


def _errors_of(folder: Path, *, constraint: bool) -> list[Exception]:
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


@FUZZ
@given(joined(_LINE_PIECES))
def test_read_requirements_of_any_text_raises_only_its_errors(text: str) -> None:
    _check_requirements(text.encode("utf-8", "surrogatepass"))


@FUZZ
@given(st.binary(max_size=40))
def test_read_requirements_of_any_bytes_raises_only_its_errors(data: bytes) -> None:
    _check_requirements(data)


@FUZZ
@given(joined(_SETTING_PIECES))
def test_read_settings_of_any_configuration_raises_only_its_error(text: str) -> None:
    with TemporaryDirectory() as name:
        path = Path(name, "pip.conf")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        environ = {"HOME": name, "PIP_CONFIG_FILE": str(path), "PIP_NO_INDEX": "1"}
        for read in (read_index_settings, read_pip_request_options, describe_ignored_settings):
            with suppress(SettingsError):
                read(environ)


@FUZZ
@given(joined(_NETRC_PIECES))
def test_credentials_of_any_netrc_raise_nothing(text: str) -> None:
    with TemporaryDirectory() as name:
        path = Path(name, "netrc")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        Credentials([], str(path)).find("https://h/x")
