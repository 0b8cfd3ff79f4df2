"""Pages of indexes, as the specifications have them and as servers send them."""

from __future__ import annotations

import html
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from pool.common.errors import PackageIndexError
from pool.sources.index.simple_api import HTML, JSON, IndexFile, parse_filename, parse_page

NAME = canonicalize_name("Foo_Bar")
URL = "https://index.test/simple/foo-bar/"
DIGEST = "ab" * 32


def read(page: str, content_type: str = HTML) -> list[IndexFile]:
    return parse_page(page.encode(), content_type, URL, NAME)


def test_a_page_of_links_is_read() -> None:
    file, yanked = read(
        f'<a href="../../f/Foo_Bar-1.0.tar.gz#sha256={DIGEST.upper()}" data-requires-python="&gt;=3.9">x</a>'
        '<A HREF=" https://cdn.test/foo_bar-2-py3-none-any.whl?sig=a/b " data-yanked>y</A>'
    )
    assert (file.url, file.kind, file.version) == (
        "https://index.test/f/Foo_Bar-1.0.tar.gz",
        "sdist",
        "1.0",
    )
    assert (file.sha256, file.requires_python, file.yanked) == (DIGEST, ">=3.9", False)
    assert (yanked.filename, yanked.kind, yanked.yanked) == (
        "foo_bar-2-py3-none-any.whl",
        "wheel",
        True,
    )
    assert yanked.url == "https://cdn.test/foo_bar-2-py3-none-any.whl?sig=a/b"


def test_a_base_moves_the_links() -> None:
    page = '<base href="/other/"><base href="/no/"><a href="foo_bar-1.tar.gz">x</a>'
    assert read(page)[0].url == "https://index.test/other/foo_bar-1.tar.gz"


def test_escapes_in_a_url_are_not_in_the_name() -> None:
    (file,) = read('<a href="/f/foo_bar-1%2Bcpu-py3-none-any.whl">x</a>')
    assert (file.filename, file.version) == ("foo_bar-1+cpu-py3-none-any.whl", "1+cpu")


@pytest.mark.parametrize(
    "href",
    [
        "foo_bar-1.exe",
        "foo_bar-1-py3.egg",
        "other-1.tar.gz",
        "foo_bar-x.tar.gz",
        "foo_bar-1.whl",
        "",
        "http://[x/foo_bar-1.zip",
    ],
)
def test_links_to_other_files_are_left_out(href: str) -> None:
    assert read(f'<a href="{href}">x</a><a>y</a>') == []


def test_a_broken_page_yields_its_valid_links() -> None:
    assert (
        len(read('<!DOCTYPE><table><a href="foo_bar-1.zip">x<a <b href=><a href="foo_bar-2.zip'))
        == 1
    )


def test_a_json_page_is_read() -> None:
    (file,) = read(
        json.dumps(
            {
                "meta": {"api-version": "1.3"},
                "files": [
                    {
                        "filename": "foo_bar-1.tar.gz",
                        "url": "/f/1",
                        "hashes": {"SHA256": DIGEST.upper()},
                        "requires-python": None,
                        "yanked": "",
                        "size": 7,
                        "upload-time": "2026",
                    }
                ],
            }
        ),
        f"{JSON}; charset=utf-8",
    )
    assert (file.url, file.sha256, file.size) == ("https://index.test/f/1", DIGEST, 7)
    assert file.yanked  # PEP 592: the reason may be empty


def test_json_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(PackageIndexError, match="page of foo cannot be read"):
        parse_page(b'{"name": "fo\x81o"}', JSON, "https://h.test/", canonicalize_name("foo"))


@pytest.mark.parametrize("page", ["", "[]", "{}", '{"files": {"filename": 1}}', "<html>"])
def test_json_that_is_no_page_is_refused_in_one_line(page: str) -> None:
    with pytest.raises(PackageIndexError, match="page of foo-bar cannot be read") as caught:
        read(page, JSON)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        ("foo-bar-1.0.tar.gz", "1.0"),
        ("foo_bar-1.0.tar.gz", "1.0"),
        ("Foo.Bar-1.0.zip", "1.0"),
        ("foo-bar-1.0-2.tar.gz", "1.0.post2"),
        ("foo-bar-1.0-beta1.tgz", "1.0b1"),
    ],
)
def test_the_project_name_marks_the_end_of_the_name_in_an_sdist(
    filename: str, version: str
) -> None:
    file = parse_filename(filename, NAME)
    assert file is not None
    assert file.version == version
    assert parse_filename(filename, canonicalize_name("foo")) is None


def test_no_name_leads_out_of_a_folder() -> None:
    for name in (
        "../foo_bar-1-py3-none-any.whl",
        "foo_bar-1-../x-none-any.whl",
        "x/foo_bar-1.tar.gz",
        "foo_bar-1/../2.tar.gz",
    ):
        assert parse_filename(name, NAME) is None


WHEEL = "foo_bar-1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("core", "older", "expected"),
    [
        (None, None, None),
        ("true", None, {}),
        (None, "true", {}),
        ("false", "true", None),
        (f"sha256={DIGEST.upper()}", "true", {"sha256": DIGEST}),
        (None, f"sha256={DIGEST}", {"sha256": DIGEST}),
        ("odd=1", None, {}),
    ],
)
def test_links_tell_whether_there_is_metadata(
    core: str | None, older: str | None, expected: dict[str, str] | None
) -> None:
    attributes = {"data-core-metadata": core, "data-dist-info-metadata": older}
    text = "".join(f' {key}="{value}"' for key, value in attributes.items() if value)
    (file,) = read(f'<a href="{WHEEL}"{text}>x</a>')
    assert file.metadata_hashes == expected
    (sdist,) = read(f'<a href="foo_bar-1.tar.gz"{text}>x</a>')
    assert sdist.metadata_hashes is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, None),
        ({"core-metadata": False, "dist-info-metadata": True}, None),
        ({"core-metadata": True}, {}),
        ({"dist-info-metadata": {"SHA256": DIGEST.upper()}}, {"sha256": DIGEST}),
        ({"core-metadata": {"sha256": DIGEST}, "dist-info-metadata": False}, {"sha256": DIGEST}),
    ],
)
def test_json_shows_whether_metadata_exists(
    said: dict[str, object], expected: dict[str, str] | None
) -> None:
    (file,) = read(json.dumps({"files": [{"filename": WHEEL, "url": WHEEL, **said}]}), JSON)
    assert file.metadata_hashes == expected


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)
FILES = st.builds(
    IndexFile,
    project=st.just(NAME),
    filename=st.integers(0, 99).map(lambda n: f"foo_bar-{n}.tar.gz"),
    url=st.text("abcXYZ019-._~/", min_size=1, max_size=20).map(
        lambda path: f"https://files.test/{path.strip('/')}/"
    ),
    kind=st.just("sdist"),
    version=st.just(""),
    hashes=st.sampled_from([{}, {"sha256": DIGEST}, {"md5": "0" * 32}]),
    requires_python=st.none() | WORDS.filter(str.strip),
    yanked=st.booleans(),
)


def _html(file: IndexFile) -> str:
    fragment = "".join(f"#{name}={digest}" for name, digest in file.hashes.items())
    more = (
        ""
        if file.requires_python is None
        else f' data-requires-python="{html.escape(file.requires_python)}"'
    )
    more += ' data-yanked="why"' if file.yanked else ""
    return f'<a href="{html.escape(file.url + file.filename + fragment)}"{more}>{file.filename}</a>'


def _json(file: IndexFile) -> dict[str, object]:
    return {
        "filename": file.filename,
        "url": file.url + file.filename,
        "hashes": file.hashes,
        "requires-python": file.requires_python,
        "yanked": "why" if file.yanked else False,
    }


@given(files=st.lists(FILES, max_size=5))
def test_both_kinds_of_page_tell_the_same(files: list[IndexFile]) -> None:
    from_html = read("\n".join(map(_html, files)))
    from_json = read(json.dumps({"files": [_json(file) for file in files]}), JSON)
    assert from_html == from_json
    assert [file.url for file in from_html] == [file.url + file.filename for file in files]
    assert [file.requires_python for file in from_html] == [file.requires_python for file in files]


@given(
    page=st.binary(max_size=200)
    | st.text("<a href=\"'>!-[]&;#/foo_bar-1.zip ", max_size=80).map(str.encode)
)
def test_no_page_of_links_is_a_crash(page: bytes) -> None:
    with suppress(PackageIndexError):
        parse_page(page, HTML, URL, NAME)
