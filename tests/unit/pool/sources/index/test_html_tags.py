"""The tags of index pages: as browsers read them, and without hanging on hostile ones."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.sources.index.html_tags import Tag, iterate_tags


def links(page: str) -> list[str | None]:
    return [tag.attributes.get("href") for tag in iterate_tags(page) if tag.name == "a"]


@pytest.mark.parametrize(
    ("page", "hrefs"),
    [
        ("<a href=x>", ["x"]),
        ("<A HREF='x'>", ["x"]),
        ('<a\n class=b\thref = "x y" >', ["x y"]),
        ("<a href=x/>", ["x/"]),
        ("<a href='x'/>", ["x"]),
        ("<a href='a&amp;b&#35;c'>", ["a&b#c"]),
        ("<a href='>'>", [">"]),
        ("<a href=x href=y>", ["x"]),
        ("<a>", [None]),
        ("<a href>", [None]),
        ("<a href=''>", [""]),
        ("<abbr href=x><a href=y>", ["y"]),
        ("<!-- <a href=x> --><a href=y>", ["y"]),
        ("<!--><a href=x>", ["x"]),
        ("<!-- <a href=x>", []),
        ("<!doctype html><?php ?></p ><a href=x>", ["x"]),
        ("<script>'<a href=x>'</script ><a href=y>", ["y"]),
        ("<script><a href=x>", []),
        ("<title>a<b</title><a href=x>", ["x"]),
        ("1 < 2 <a href=x> <", ["x"]),
        ("<a href=x", []),
        ("<a href='x><a href=y>", ["'x", "y"]),
        ("<a href='&#" + "9" * 5000 + ";'><a href=y>", ["y"]),
        ("<a href='" + "x&" * 20000 + "'><a href=y>", ["y"]),
        ("<a " + "b " * 100 + "href=x><a href=y>", [None, "y"]),
    ],
)
def test_iterate_tags_page_yields_its_links(page: str, hrefs: list[str | None]) -> None:
    assert links(page) == hrefs


@pytest.mark.parametrize(
    "piece",
    [
        "</",
        "<!--",
        "<!",
        "<?",
        "<a ",
        "<a x='",
        '<a x="',
        "<",
        "<a =",
        "<script>",
        "<a x=\"'",
        "<a/",
    ],
)
def test_iterate_tags_hostile_page_ends(piece: str) -> None:
    # html.parser takes minutes for some of these.
    assert sum(1 for _ in iterate_tags(piece * 100_000)) <= 1


class _Reference(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[Tag] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(Tag(tag, dict(reversed(attrs))))


_VALUES = st.text("ab/.#=?% &;-", max_size=8)
_TAGS = st.builds(
    lambda name, pairs: f"<{name}" + "".join(f' {k}="{v}"' for k, v in pairs) + ">",
    st.sampled_from(["a", "p", "base", "meta", "abbr"]),
    st.lists(st.tuples(st.sampled_from(["href", "rel", "data-yanked"]), _VALUES), max_size=3),
)


@given(st.lists(_TAGS | st.sampled_from(["text", "</p>", "<!-- x -->", "\n"]), max_size=8))
def test_iterate_tags_valid_page_equals_the_standard_parser(pieces: list[str]) -> None:
    page = "".join(pieces)
    reference = _Reference()
    reference.feed(page)
    reference.close()
    assert [(tag.name, dict(tag.attributes)) for tag in iterate_tags(page)] == [
        (tag.name, dict(tag.attributes)) for tag in reference.tags
    ]


@given(st.text("<>a!-/ '\"=&#;script\n", max_size=60))
def test_iterate_tags_of_any_text_ends(page: str) -> None:
    list(iterate_tags(page))
