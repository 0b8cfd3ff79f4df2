"""Values named as secrets, and credentials in URLs, are replaced by stars."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.build.frontend.hooks import HookCall
from pool.build.frontend.rerun import rerun_command
from pool.common.redaction import redact_args, redact_settings, redact_urls
from pool.common.text import clean_line
from tests.support.build_keys import build_key


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://me:s3cret@host/x, or not", "see https://***@host/x, or not"),
        ("https://s3@cret@host/x@v1", "https://***@host/x@v1"),
        (
            "https://host/x?a=1&access_token=s3cret&b=2#c",
            "https://host/x?a=1&access_token=***&b=2#c",
        ),
        ("https://host/x?X-Amz-Signature=s3cret", "https://host/x?X-Amz-Signature=***"),
        ("https://host/token=x/y?page=2", "https://host/token=x/y?page=2"),
        ("me@host and token=x", "me@host and token=x"),
        (
            "https://h/x?sig=s3&sv=2&key=s3;auth=s3#sha256=a",
            "https://h/x?sig=***&sv=2&key=***;auth=***#sha256=a",
        ),
        (
            "https://h/x?AWSAccessKeyId=s3&Expires=1&Signature=s3",
            "https://h/x?AWSAccessKeyId=***&Expires=1&Signature=***",
        ),
        ("GET /x?proxyAuth=s3 HTTP/1.1", "GET /x?proxyAuth=*** HTTP/1.1"),
        ("https://h/cb#access_token=s3", "https://h/cb#access_token=***"),
        ("https://h/x?monkey=1&sort=2&sign=3", "https://h/x?monkey=1&sort=2&sign=3"),
        ("https://me:s3/cret@host/simple", "https://***@host/simple"),
        ("https://me:s3#cret@host/simple", "https://***@host/simple"),
        ("https://me:s3?cret@host/simple", "https://***@host/simple"),
        ("https://me:12/s3@h.test/simple", "https://***@h.test/simple"),
        ("https://me@corp:s3/cret@host/x", "https://***@host/x"),
        ("https://s3/cret@h.test/simple", "https://***@h.test/simple"),
        ("a https://a:s3/x@h/, https://b:s3@h/ b", "a https://***@h/, https://***@h/ b"),
        ("me:s3cret@host/simple: not a URL", "***@host/simple: not a URL"),
        ("'me:s3@cret@h.test'", "'***@h.test'"),
        (
            "/home/x/me:s3cret@h.test/simple: no such file",
            "/home/x/***@h.test/simple: no such file",
        ),
        ("https://h.test:8080/x@main/y", "https://h.test:8080/x@main/y"),
        ("git@h.test:org/x@v1.0", "git@h.test:org/x@v1.0"),
        ("git+ssh://git@h.test:org/x@v1", "git+ssh://***@h.test:org/x@v1"),
        ("git+https://h.test:8080/x@v1.0", "git+https://h.test:8080/x@v1.0"),
        ("https://h.test/npm/x@1.2.3/dist/", "https://h.test/npm/x@1.2.3/dist/"),
        ("(http://[::1]:80) x@y", "(http://[::1]:80) x@y"),
        ("image:tag@sha256:abc", "image:tag@sha256:abc"),
        ("Authorization: Bearer s3cret", "Authorization: Bearer ***"),
        ("{'Proxy-Authorization': 'Basic s3'}", "{'Proxy-Authorization': 'Basic ***'}"),
        ("X-Api-Key: s3", "X-Api-Key: ***"),
    ],
)
def test_urls_are_shown_without_credentials(text: str, shown: str) -> None:
    assert redact_urls(text) == shown
    assert clean_line(f"\x1b[1m{text}\x1b[0m".encode()) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["-C", "my-token=s3cret"], ["-C", "my-token=***"]),
        (["-Cmy-token=s3cret"], ["-Cmy-token=***"]),
        (["--config-setting=a.password=s3=cret"], ["--config-setting=a.password=***"]),
        (["--token", "s3cret", "x"], ["--token", "***", "x"]),
        (["env", "API_KEY=s3\ncret", "make"], ["env", "API_KEY=***", "make"]),
        (["-i", "https://me:s3cret@host"], ["-i", "https://***@host"]),
        (["-C", "jobs=2", "./tokenizer"], ["-C", "jobs=2", "./tokenizer"]),
        (["tokenizers==0.21", "-C", "a>=1"], ["tokenizers==0.21", "-C", "a>=1"]),
        (["-C", "opt=--token=s3"], ["-C", "opt=--token=***"]),
        (["-C", "opt=--token s3 -x"], ["-C", "opt=--token *** -x"]),
        (["-C", "opt=--token", "-C", "opt=s3"], ["-C", "opt=--token", "-C", "***"]),
        (["-C", 'opt={"token": "s3"}'], ["-C", 'opt={"token": "***']),
        (["-Cauth=s3", "-Dkey=s3"], ["-Cauth=***", "-Dkey=***"]),
        (["-DAPI_TOKEN:STRING=s3"], ["-DAPI_TOKEN:STRING=***"]),
        (["--index-url", "me:s3@host/simple"], ["--index-url", "***@host/simple"]),
        (["--keyring-provider", "x", "-j2"], ["--keyring-provider", "x", "-j2"]),
    ],
)
def test_command_lines_are_shown_without_secrets(words: list[str], shown: list[str]) -> None:
    assert list(redact_args(words)) == shown


def test_settings_are_shown_without_secrets() -> None:
    settings: dict[str, str | list[str]] = {
        "my-token": ["a", "b"],
        "Secret": "c",
        "index": "https://me:d@host",
        "jobs": "2",
        "opt": "--token=e",
        "opts": ["--key", "f", "-x"],
        "setup-args": "-Dpassword=g",
    }
    assert redact_settings(settings) == {
        "my-token": ["***", "***"],
        "Secret": "***",
        "index": "https://***@host",
        "jobs": "2",
        "opt": "--token=***",
        "opts": ["--key", "***", "-x"],
        "setup-args": "-Dpassword=***",
    }


@given(st.text())
def test_text_without_urls_stays(text: str) -> None:
    assert redact_urls(text.replace(":", "").replace("=", "")) == text.replace(":", "").replace(
        "=", ""
    )


@given(st.text(alphabet=":/@?#=&-. xX1authorizt'\""), st.text())
def test_any_text_is_redacted_in_time_and_only_once(text: str, more: str) -> None:
    hidden = redact_urls(text + more)
    assert redact_urls(hidden) == hidden
    list(redact_args([text, more]))


@pytest.mark.parametrize(
    "unit", ["://", "?", "a:", "@", "://a@", "a:b@", "-", "-a ", "x-a-", "authorization"]
)
def test_long_words_take_linear_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    redact_urls(text + "=@")
    list(redact_args([text + "="]))


def _called(settings: dict[str, str | list[str]]) -> str:
    here = Path("/tree")
    call = HookCall(
        build=build_key(),
        tree=here,
        python=Path("/env/bin/python"),
        backend="backend",
        backend_path=(),
        hook="build_wheel",
        config_settings=settings,
        output=here,
        log=here,
        fds=(),
        environ={},
    )
    return rerun_command(call)


def test_by_hand_a_secret_is_to_be_filled_in() -> None:
    line = _called({"my-token": "s3cret", "jobs": "2"})
    assert "s3cret" not in line
    assert "'jobs': '2'" in line.replace("'\"'\"'", "'")
    assert line.endswith("  # replace *** by the secret value")
    assert "#" not in _called({"jobs": "2"})
