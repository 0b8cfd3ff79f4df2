"""Links of index pages lead where `urljoin` says they do."""

from __future__ import annotations

from urllib.parse import urljoin

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from pool.sources.index.simple_api import HTML, parse_page

STEPS = st.sampled_from(
    ["a", "b.c", "..", ".", "", "..a", "?q=1", "./", "//h/x", "http://h/", "/", "../../p", "a:b"]
)


@given(
    st.sampled_from(["https://h/simple/x/", "https://h/simple/x/index.html", "file:///s/x/i.html"]),
    st.lists(STEPS, max_size=4),
    st.sampled_from(["/", ""]),
)
def test_a_link_is_joined_by_the_rules_of_the_standard(
    base: str, steps: list[str], between: str
) -> None:
    link = between.join([*steps, "x-1.tar.gz"])
    page = f'<a href="{link}">x</a>'.encode()
    try:
        joined = urljoin(base, link)
    except ValueError:
        joined = None
    files = parse_page(page, HTML, base, canonicalize_name("x"))
    assert [file.url for file in files] in ([], [joined])
