"""Index settings of pip: the order of precedence, and errors of an invalid file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pool.common.errors import SettingsError
from pool.requirements.ignored_settings import describe_ignored_settings
from pool.requirements.pip_config import IndexOverrides, read_index_settings
from pool.sources.index.settings import IndexSettings

if TYPE_CHECKING:
    from pathlib import Path


class Home:
    """A home with pip's files; nothing of this machine's shows through but /etc."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {
            "HOME": str(root),
            "XDG_CONFIG_DIRS": f"{root}/xdg1:{root}/xdg2",
            "VIRTUAL_ENV": f"{root}/env",
            "PIP_INDEX_URL": "",
        }

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def settings(self, **environ: str) -> IndexSettings:
        return self.flagged(IndexOverrides(), **environ)

    def flagged(self, flags: IndexOverrides, **environ: str) -> IndexSettings:
        return read_index_settings({**self.environ, **environ}, flags)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_later_sources_override_earlier_ones(home: Home) -> None:
    steps = ["xdg1/pip/pip.conf", "xdg2/pip/pip.conf", ".pip/pip.conf", ".config/pip/pip.conf"]
    for number, path in enumerate([*steps, "env/pip.conf"]):
        home.write(path, f"[global]\nindex-url = https://i{number}.test/simple\n")
        assert home.settings().index_url == f"https://i{number}.test/simple"
    environ = {}
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "WHEELPOOL_INDEX_URL"):
        environ[name] = f"https://{name.lower().replace('_', '-')}.test/simple"
        assert home.settings(**environ).index_url == environ[name]
    flag = IndexOverrides(index_url="https://flag.test/simple")
    assert home.flagged(flag, **environ).index_url == flag.index_url


def test_a_section_of_its_own_goes_before_global_in_any_file(home: Home) -> None:
    home.write(".pip/pip.conf", "[wheel]\nindex-url = https://wheel.test\n")
    home.write("env/pip.conf", "[global]\nindex-url = https://global.test\n")
    assert home.settings().index_url == "https://wheel.test"


def test_an_empty_value_takes_an_earlier_one_back(home: Home) -> None:
    home.write(".pip/pip.conf", "[global]\nextra-index-url = https://more.test\n")
    assert home.settings().extra_index_urls == ("https://more.test",)
    home.write("env/pip.conf", "[global]\nextra_index_url =\n")
    assert home.settings().extra_index_urls == ()


def test_a_file_that_is_named_replaces_the_users(home: Home) -> None:
    home.write(".config/pip/pip.conf", "[global]\nproxy = http://user.test\ntimeout = 3\n")
    named = home.write("named.conf", "[global]\ntimeout = 4\n")
    settings = home.settings(PIP_CONFIG_FILE=str(named))
    assert (settings.proxies.https, settings.timeout) == (None, 4.0)
    settings = home.settings(PIP_CONFIG_FILE=os.devnull)
    assert (settings.proxies.https, settings.timeout) == (None, 15.0)
    settings = home.settings(PIP_CONFIG_FILE=str(home.root / "missing.conf"))
    assert settings.proxies.https == "http://user.test"


def test_lists_add_up_over_the_tools(home: Home) -> None:
    home.write("env/pip.conf", "[global]\nextra-index-url =\n  https://a.test\n  https://b.test\n")
    settings = home.flagged(
        IndexOverrides(extra_index_urls=("https://f.test/",), find_links=("wheels",)),
        UV_INDEX="named=https://c.test/simple?x=1 https://d.test",
        UV_EXTRA_INDEX_URL="https://e.test",
        UV_FIND_LINKS="/one,/two",
        PIP_FIND_LINKS="~/mine",
        WHEELPOOL_FIND_LINKS="/three",
    )
    assert [url[8] for url in settings.extra_index_urls] == list("abcdef")
    assert settings.extra_index_urls[2] == "https://c.test/simple?x=1"
    assert settings.find_links[1:] == ("/one", "/two", "/three", "wheels")
    assert settings.indexes[-1] == "https://f.test"


def test_without_an_index_none_is_queried(home: Home) -> None:
    for environ in ({"PIP_NO_INDEX": "yes"}, {"UV_NO_INDEX": "1"}, {"WHEELPOOL_NO_INDEX": "true"}):
        assert home.settings(**environ).indexes == ()
    assert home.flagged(IndexOverrides(no_index=True)).description == "nowhere (no index is set)"
    assert home.settings(PIP_NO_INDEX="0", PIP_INDEX_URL="https://a.test").indexes


def test_how_to_reach_them_is_read_too(home: Home) -> None:
    settings = home.settings(
        PIP_TRUSTED_HOST="a.test b.test:8080",
        PIP_CERT="/certs.pem",
        PIP_CLIENT_CERT="/own.pem",
        PIP_PROXY="http://proxy.test:3128",
        PIP_DEFAULT_TIMEOUT="2.5",
        UV_INSECURE_HOST="c.test",
        NETRC="/logins",
    )
    assert settings.trusted_hosts == ("a.test", "b.test:8080", "c.test")
    assert (settings.cert, settings.client_cert) == ("/certs.pem", "/own.pem")
    assert (settings.proxies.http, settings.timeout) == ("http://proxy.test:3128", 2.5)
    assert settings.netrc == "/logins"
    assert home.settings(SSL_CERT_FILE="/other.pem", PIP_CERT="").cert


def test_credentials_are_not_described(home: Home) -> None:
    settings = home.settings(PIP_INDEX_URL="https://me:se@cret@a.test/simple")
    assert settings.description.startswith("https://***@a.test/simple")


@pytest.mark.parametrize(
    "text", ["index-url = x\n", "[global]\nnonsense\n", "[global\n", "[a]\n[a]\n"]
)
def test_a_broken_file_is_named_with_the_line(home: Home, text: str) -> None:
    file = home.write("env/pip.conf", text)
    with pytest.raises(SettingsError, match=r"line.*\d") as caught:
        home.settings()
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan"])
def test_a_timeout_that_is_none_is_refused(home: Home, value: str) -> None:
    with pytest.raises(SettingsError, match="timeout"):
        home.settings(PIP_TIMEOUT=value)


def test_read_index_settings_keyring_and_retries_are_read(home: Home) -> None:
    home.write(".config/pip/pip.conf", "[global]\nkeyring-provider = import\nretries = 7\n")
    settings = read_index_settings(home.environ)
    assert (settings.keyring, settings.retries) == ("import", 7)
    environ = {**home.environ, "UV_KEYRING_PROVIDER": "subprocess", "PIP_RETRIES": "0"}
    settings = read_index_settings(environ)
    assert (settings.keyring, settings.retries) == ("subprocess", 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PIP_RETRIES", "many"),
        ("PIP_RETRIES", "9" * 5000),
        ("PIP_KEYRING_PROVIDER", "pass"),
        ("PIP_TIMEOUT", "inf"),
        ("ALL_PROXY", "http://"),
        ("ALL_PROXY", "socks5h://127.0.0.1:9050"),
    ],
)
def test_read_index_settings_invalid_value_is_refused(home: Home, name: str, value: str) -> None:
    with pytest.raises(SettingsError):
        read_index_settings({**home.environ, name: value})


def test_read_index_settings_no_proxy_with_brackets_is_accepted(home: Home) -> None:
    environ = {**home.environ, "NO_PROXY": "[::1]", "ALL_PROXY": "http://p:1"}
    assert read_index_settings(environ).proxies.find("https://[::1]/") is None


def test_read_index_settings_arguments_repeat_the_flags(home: Home) -> None:
    flags = IndexOverrides(index_url="https://me:pw@h/simple", find_links=("a",), no_index=False)
    assert read_index_settings(home.environ, flags).arguments == (
        *("--index-url", "https://me:pw@h/simple", "--find-links", "a"),
    )


def test_describe_ignored_settings_of_pip_and_uv_are_named(home: Home) -> None:
    home.write(".config/pip/pip.conf", "[install]\nno-deps = true\nuser = false\nquiet = 1\n")
    environ = {**home.environ, "PIP_BUILD_CONSTRAINT": "c.txt", "UV_BUILD_CONSTRAINT": "c.txt"}
    (note,) = describe_ignored_settings(environ)
    assert note == (
        "these settings of pip and uv have no effect: PIP_BUILD_CONSTRAINT, UV_BUILD_CONSTRAINT,"
        " no-deps (pip's configuration)"
    )
    assert describe_ignored_settings({**home.environ, "PIP_CONFIG_FILE": "/dev/null"}) == ()
