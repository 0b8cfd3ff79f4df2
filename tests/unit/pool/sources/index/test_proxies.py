"""Which proxy a request uses, and which values are no proxies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.common.errors import SettingsError
from pool.sources.index.proxies import Proxies, read_proxies


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:3128"}, "https://h/x", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://h/x", None),
        ({"http_proxy": "p:3128", "HTTP_PROXY": "q"}, "http://h/x", "http://p:3128"),
        ({"ALL_PROXY": "socks5h://p:1"}, "https://h/x", "socks5h://p:1"),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "*"}, "https://h/x", None),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "h"}, "https://h/x", None),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "h"}, "https://oh/x", "http://p"),
        ({"ALL_PROXY": "http://p", "NO_PROXY": ".test, other"}, "https://h.test/x", None),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "*.test"}, "https://H.TEST/x", None),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "[::1]"}, "https://[::1]:8/x", None),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "::1"}, "https://[::1]/x", None),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "[::1]:8"}, "https://[::1]:9/x", "http://p"),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8"}, "https://10.1.2.3/x", None),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "h:8080"}, "https://h/x", "http://p"),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "h:8080"}, "http://h:8080/x", None),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "https://h,,"}, "https://h/x", None),
        ({"ALL_PROXY": "  "}, "https://h/x", None),
    ],
)
def test_find_url_uses_its_proxy(environ: dict[str, str], url: str, proxy: str | None) -> None:
    assert read_proxies(environ).find(url) == proxy


def test_read_proxies_pip_overrides_the_environment() -> None:
    found = read_proxies({"ALL_PROXY": "http://q", "NO_PROXY": "*"}, "me:secret@p:1")
    assert found.find("https://h/x") == "http://me:secret@p:1"
    assert "secret" not in found.description


@pytest.mark.parametrize(
    "text", ["http://", "http://p:port", "http://[::1", "ftp://p", "http://a b"]
)
def test_read_proxies_value_that_is_no_proxy_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="ALL_PROXY: "):
        read_proxies({"ALL_PROXY": text})


def test_check_usable_socks_without_its_package_is_refused() -> None:
    proxies = Proxies(http="socks5h://me:secret@p:1")
    with pytest.raises(SettingsError, match="needs the package socksio") as caught:
        proxies.check_usable()
    assert "secret" not in str(caught.value)


@given(st.text(max_size=20), st.text("[]:.*/,0123456789ah", max_size=20))
def test_read_proxies_of_any_text_raises_only_settings_errors(proxy: str, no_proxy: str) -> None:
    try:
        proxies = read_proxies({"ALL_PROXY": proxy, "NO_PROXY": no_proxy})
    except SettingsError:
        return
    proxies.find("https://10.0.0.1:8/x")
