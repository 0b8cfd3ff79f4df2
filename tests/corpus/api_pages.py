"""Pages of a server: charsets, JSON, digests, yanked files, Requires-Python, METADATA beside wheels."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
from typing import TYPE_CHECKING

from tests.corpus.case import Reply, built, failed
from tests.corpus.http_server import (
    FILE,
    JSON,
    PAGE,
    WHEEL,
    html,
    json_file,
    json_page,
    link,
    make_case,
    wheel_bytes,
)

if TYPE_CHECKING:
    from tests.corpus.case import Answer, Case, Expected

BUILT = built(WHEEL)
NOTHING = failed("no project of that name was found")
UNREADABLE = failed("cannot be read")
NEWER = "a-2.0-py3-none-any.whl"


def _text(text: str, encoding: str, content_type: str = "text/html") -> Reply:
    return Reply(body=text.encode(encoding), headers={"Content-Type": content_type})


def _json(text: str | bytes, content_type: str = JSON) -> Reply:
    body = text.encode() if isinstance(text, str) else text
    return Reply(body=body, headers={"Content-Type": content_type})


def _newer(**keys: object) -> Reply:
    """Return a page with an odd file of a newer version, and the wheel."""
    return json_page(json_file(**{"filename": NEWER, **keys}), json_file())


PAGE_TEXT = json.dumps({"meta": {"api-version": "1.0"}, "name": "a", "files": [json_file()]})
TYPES: dict[str, tuple[Reply, Expected]] = {
    "html-of-no-type": (Reply(body=link().encode()), BUILT),
    "html-as-text": (html(link(), "text/plain"), BUILT),
    "html-as-bytes": (html(link(), "application/octet-stream"), BUILT),
    "html-of-the-api": (html(link(), "application/vnd.pypi.simple.v1+html"), BUILT),
    "html-as-json": (html(link(), JSON), UNREADABLE),
    "html-of-an-odd-type": (html(link(), ";;;=,/"), BUILT),
    "html-utf-16": (_text(link(), "utf-16-le", "text/html; charset=utf-16-le"), BUILT),
    "html-utf-16-with-a-mark": (_text(link(), "utf-16"), BUILT),
    "html-latin-1": (_text(f"<p>\xe4{link()}", "latin-1", "text/html; charset=latin-1"), BUILT),
    "html-shift-jis": (_text(link(), "shift_jis", 'text/html; charset="Shift_JIS"'), BUILT),
    "html-of-no-charset": (html(link(), "text/html; charset="), BUILT),
    "html-of-an-unknown-charset": (html(link(), "text/html; charset=klingon"), BUILT),
    "html-of-a-slow-charset": (html(link() + "x" * 500_000, "text/html; charset=punycode"), BUILT),
    "html-of-a-charset-of-bytes": (html(link(), "text/html; charset=zlib"), BUILT),
    "html-of-another-charset": (html(link(), "text/html; charset=ascii"), BUILT),
    "json-as-json": (_json(PAGE_TEXT, "application/json"), BUILT),
    "json-upper-case": (_json(PAGE_TEXT, JSON.upper()), BUILT),
    "json-of-the-latest-api": (_json(PAGE_TEXT, JSON.replace("v1", "latest")), BUILT),
    "json-with-a-charset": (_json(PAGE_TEXT, f"{JSON}; charset=utf-8"), BUILT),
    "json-as-html": (_json(PAGE_TEXT, "text/html"), NOTHING),
    "json-with-a-mark": (_json(codecs.BOM_UTF8 + PAGE_TEXT.encode()), BUILT),
    "json-utf-16": (_json(PAGE_TEXT.encode("utf-16")), UNREADABLE),
    "json-empty": (_json(""), UNREADABLE),
    "json-truncated": (_json(PAGE_TEXT[:-9]), UNREADABLE),
    "json-with-more-behind": (_json(PAGE_TEXT + "x"), UNREADABLE),
    "json-nested": (_json("[" * 100_000), UNREADABLE),
    "json-list": (_json("[]"), UNREADABLE),
    "json-null": (_json("null"), UNREADABLE),
    "json-nan": (_json(PAGE_TEXT.replace('"a"', "NaN")), UNREADABLE),
    "json-twice-a-key": (_json('{"files": [], ' + PAGE_TEXT[1:]), BUILT),
    "json-without-files": (_json("{}"), UNREADABLE),
    "json-files-null": (_json('{"files": null}'), UNREADABLE),
    "json-files-an-object": (_json('{"files": {}}'), UNREADABLE),
    "json-files-empty": (json_page(), NOTHING),
    "json-without-meta": (_json('{"files": [' + json.dumps(json_file()) + "]}"), BUILT),
    "json-meta-a-list": (json_page(json_file(), meta=[]), BUILT),
    "json-version-1.9": (json_page(json_file(), meta={"api-version": "1.9"}), BUILT),
    "json-version-a-number": (json_page(json_file(), meta={"api-version": 1.1}), BUILT),
    "json-version-2": (
        json_page(json_file(), meta={"api-version": "2.0"}),
        failed("has version 2.0 of the Simple API"),
    ),
    "json-of-another-project": (json_page(json_file(), name="b"), BUILT),
    "json-of-surrogates": (_json(PAGE_TEXT.replace('"a"', r'"\ud800"')), UNREADABLE),
}
ROWS: dict[str, object] = {
    "null": None,
    "number": 1,
    "list": [],
    "empty": {},
    "without-url": json_file(filename=NEWER, url=None),
    "url-null": {**json_file(filename=NEWER), "url": None},
    "url-number": json_file(filename=NEWER, url=1),
    "url-with-newline": json_file(filename=NEWER, url="/files/\n"),
    "url-of-a-file": json_file(filename=NEWER, url="file:///dev/zero"),
    "url-no-url": json_file(filename=NEWER, url="http://[::1"),
    "name-null": {**json_file(), "filename": None},
    "name-with-slash": json_file(filename="a-2.0-py3-none-any/../x.whl"),
    "name-with-escape": json_file(filename="a-2.0-py3-none-any\x1b.whl"),
    "name-of-another-project": json_file(filename="b-2.0-py3-none-any.whl"),
    "name-without-tags": json_file(filename="a-2.0.whl"),
    "name-with-word-build": json_file(filename="a-2.0-x-py3-none-any.whl"),
    "name-of-no-version": json_file(filename="a-x-py3-none-any.whl"),
    "name-of-a-huge-version": json_file(filename=f"a-{'9' * 200}.{'9' * 40}-py3.whl"),
    "hashes-a-list": json_file(filename=NEWER, hashes=[]),
    "hashes-numbers": json_file(filename=NEWER, hashes={"sha256": 1}),
    "python-a-number": json_file(filename=NEWER, **{"requires-python": 3}),
    "python-too-new": json_file(filename=NEWER, **{"requires-python": ">=99"}),
    "python-of-words": json_file(filename=NEWER, **{"requires-python": "three"}),
    "yanked": json_file(filename=NEWER, yanked=True),
    "yanked-with-a-reason": json_file(filename=NEWER, yanked="broken\x1b[31m"),
    "yanked-with-an-empty-reason": json_file(filename=NEWER, yanked=""),
    "yanked-an-object": json_file(filename=NEWER, yanked={}),
}
SHA256 = hashlib.sha256(wheel_bytes()).hexdigest()
MISMATCH = failed("its sha256 is")
FILES: dict[str, tuple[dict[str, object], Expected]] = {
    "url-relative": ({"url": f"../../files/{WHEEL}"}, BUILT),
    "url-of-a-host": ({"url": "//{host}" + FILE}, BUILT),
    "url-absolute": ({"url": "{server}" + FILE}, BUILT),
    "url-of-another-host": ({"url": "{other}" + FILE}, BUILT),
    "url-with-fragment": ({"url": f"{FILE}#sha256=0"}, BUILT),
    "url-to-no-port": ({"url": f"http://127.0.0.1:99999{FILE}"}, failed("not a URL")),
    "name-unlike-its-url": ({"url": "/files/b"}, failed("404")),
    "hashes-right": ({"hashes": {"sha256": SHA256}}, BUILT),
    "hashes-upper-case": ({"hashes": {"SHA256": SHA256.upper()}}, BUILT),
    "hashes-of-sha512": ({"hashes": {"sha512": hashlib.sha512(wheel_bytes()).hexdigest()}}, BUILT),
    "hashes-of-an-unknown-name": ({"hashes": {"crc": "1"}}, BUILT),
    "hashes-of-an-unknown-name-and-right": ({"hashes": {"x": "1", "sha256": SHA256}}, BUILT),
    "hashes-wrong": ({"hashes": {"sha256": "0" * 64}}, MISMATCH),
    "hashes-one-wrong": (
        {"hashes": {"sha256": SHA256, "sha512": "0" * 128}},
        failed("its sha512 is"),
    ),
    "hashes-md5-wrong": ({"hashes": {"md5": "0" * 32}}, failed("its md5 is")),
    "hashes-empty-digest": ({"hashes": {"sha256": ""}}, MISMATCH),
    "hashes-short-digest": ({"hashes": {"sha256": SHA256[:9]}}, MISMATCH),
    "hashes-no-digest": ({"hashes": {"sha256": "../../x"}}, MISMATCH),
    "hashes-long-digest": ({"hashes": {"sha256": "f" * 10_000}}, MISMATCH),
    "size-right": ({"size": len(wheel_bytes())}, BUILT),
    "size-0": ({"size": 0}, BUILT),
    "size-negative": ({"size": -1}, BUILT),
    "size-huge": ({"size": 10**40}, BUILT),
    "size-a-fraction": ({"size": 1.5}, BUILT),
    "size-words": ({"size": "x"}, BUILT),
    "python-empty": ({"requires-python": ""}, BUILT),
    "python-fits": ({"requires-python": ">=3"}, BUILT),
    "python-too-new": ({"requires-python": ">=99"}, failed(">=99")),
    "metadata-odd": ({"core-metadata": 1, "dist-info-metadata": []}, BUILT),
    "more-keys": ({"gpg-sig": 1, "upload-time": "never", "provenance": {}}, BUILT),
}
NAMES: dict[str, Expected] = {
    "A-1.0-py3-none-any.whl": built("A-1.0-py3-none-any.whl"),
    "a-1-py3-none-any.whl": built("a-1-py3-none-any.whl"),
    "a-v1.0-py3-none-any.whl": built("a-v1.0-py3-none-any.whl"),
    "a-1.0-1-py3-none-any.whl": built("a-1.0-1-py3-none-any.whl"),
    "a-1.0-py2.py3-none-any.whl": built("a-1.0-py2.py3-none-any.whl"),
    "a-1.0-py3-none-any.WHL": NOTHING,
    "a-1.0-py3-none-any.whl.exe": NOTHING,
    "a-1.0-py9-none-any.whl": failed("a-1.0-py9-none-any.whl"),
    "a-1.0+local.x-py3-none-any.whl": failed("1.0"),
    "a-2.0-py3-none-any.whl": failed("2.0"),
}
METADATA_URL = f"{FILE}.metadata"
METADATA = b"Metadata-Version: 2.1\nName: a\nVersion: 1.0\n"
SIDECARS: dict[str, tuple[object, Reply]] = {
    "right": ({"sha256": hashlib.sha256(METADATA).hexdigest()}, Reply(body=METADATA)),
    "not-there": (True, Reply(status=404)),
    "forbidden": (True, Reply(status=403)),
    "server-error": (True, Reply(status=500)),
    "redirect-loop": (True, Reply(status=302, headers={"Location": METADATA_URL})),
    "damaged-response": (True, Reply(raw=b"x")),
    "of-another-digest": ({"sha256": "0" * 64}, Reply(body=METADATA)),
    "of-an-unknown-digest": ({"crc": "0"}, Reply(body=METADATA)),
    "of-another-project": (True, Reply(body=METADATA.replace(b"a\n", b"b\n"))),
    "without-a-name": (True, Reply(body=METADATA.replace(b"Name", b"Title"))),
    "empty": (True, Reply(body=b"")),
    "an-error-page": (True, Reply(body=b"<html>sorry</html>")),
    "not-utf-8": (True, Reply(body=METADATA + b"Author: \xff\n")),
    "compressed-badly": (True, Reply(body=METADATA, headers={"Content-Encoding": "gzip"})),
    "of-100-mb": (
        True,
        Reply(
            body=gzip.compress(bytes(100 << 20), 1, mtime=0), headers={"Content-Encoding": "gzip"}
        ),
    ),
    "of-another-version": (True, Reply(body=METADATA.replace(b"1.0", b"7.0"))),
    "without-a-version": (True, Reply(body=METADATA.replace(b"Version: 1", b"Title: 1"))),
    "of-no-version": (True, Reply(body=METADATA.replace(b"1.0", b"x"))),
}


def _download(**headers: str) -> dict[str, Reply | Answer]:
    return {FILE: Reply(body=wheel_bytes(), headers=headers)}


DOWNLOADS: dict[str, tuple[dict[str, Reply | Answer], Expected]] = {
    "compressed-by-name-only": (_download(**{"Content-Encoding": "gzip"}), BUILT),
    "of-an-odd-type": (_download(**{"Content-Type": "text/html; charset=x"}), BUILT),
    "with-an-odd-etag": (_download(ETag="\xff"), BUILT),
    "with-a-weak-etag": (_download(ETag='W/"x"'), BUILT),
    "with-an-odd-date": (_download(**{"Last-Modified": "never"}), BUILT),
    "as-an-attachment-of-another-name": (
        _download(**{"Content-Disposition": 'attachment; filename="../../x.whl"'}),
        BUILT,
    ),
    "as-an-unrequested-part": (
        {
            FILE: Reply(
                status=206,
                body=wheel_bytes()[9:],
                headers={"Content-Range": f"bytes 9-{len(wheel_bytes()) - 1}/{len(wheel_bytes())}"},
            )
        },
        failed("responses do not fit"),
    ),
    "as-a-part-without-range": (
        {FILE: Reply(status=206, body=wheel_bytes())},
        failed("responses do not fit"),
    ),
    "as-a-part-of-an-odd-range": (
        {FILE: Reply(status=206, body=b"x", headers={"Content-Range": f"bytes 0-{'9' * 5000}/*"})},
        MISMATCH,
    ),
    "as-an-unsatisfiable-part": ({FILE: Reply(status=416)}, failed("responses do not fit")),
    "as-not-modified": ({FILE: Reply(status=304)}, failed("responses do not fit")),
    "with-bytes-missing": ({FILE: Reply(body=wheel_bytes()[:-9])}, MISMATCH),
    "with-bytes-behind": ({FILE: Reply(body=wheel_bytes() + b"x")}, MISMATCH),
    "as-an-error-page": ({FILE: Reply(body=b"<html>")}, MISMATCH),
    "shorter-than-its-length": (
        {FILE: Reply(body=b"x", headers={"Content-Length": "99"})},
        failed("response is damaged"),
    ),
    "empty": ({FILE: Reply()}, MISMATCH),
}

CASES: list[Case] = [
    *(
        make_case(f"type-{name}", "E2", {PAGE: page}, expected)
        for name, (page, expected) in TYPES.items()
    ),
    *(
        make_case(f"row-{name}", "E2", {PAGE: json_page(row, json_file())}, BUILT)
        for name, row in ROWS.items()
    ),
    *(
        make_case(f"entry-{name}", "E8", {PAGE: json_page(json_file(**keys))}, expected)
        for name, (keys, expected) in FILES.items()
    ),
    *(
        make_case(
            f"name-{number}",
            "E7",
            {
                PAGE: json_page(json_file(filename=name, url=f"/files/{number}")),
                f"/files/{number}": Reply(body=wheel_bytes()),
            },
            expected,
        )
        for number, (name, expected) in enumerate(NAMES.items())
    ),
    *(
        make_case(
            f"metadata-{name}",
            "D",
            {PAGE: json_page(json_file(**{"core-metadata": listed})), METADATA_URL: reply},
            BUILT,
        )
        for name, (listed, reply) in SIDECARS.items()
    ),
    *(
        make_case(f"download-{name}", "E8", answers, expected)
        for name, (answers, expected) in DOWNLOADS.items()
    ),
    *(
        make_case(
            f"metadata-with-{name}-requirement",
            "D",
            {
                PAGE: json_page(json_file(**{"core-metadata": True})),
                METADATA_URL: Reply(body=METADATA + f"Requires-Dist: {text}\n".encode()),
            },
            failed(words),
        )
        for name, text, words in (
            ("an-unreadable", ">>>", "cannot be read: '>>>'"),
            ("a-missing", "nowhere", "a 1.0 needs nowhere"),
        )
    ),
    *(
        make_case(
            f"metadata-{name}",
            "D",
            {
                PAGE: json_page(json_file(**{"core-metadata": True})),
                FILE: Reply(body=wheel_bytes("1.0", "c>=1; extra == 'x'", *more)),
                METADATA_URL: Reply(
                    body=METADATA + b"Requires-Dist: c (>=1) ; extra=='x'\nProvides-Extra: x\n"
                ),
            },
            expected,
        )
        for name, more, expected in (
            ("of-an-equal-requirement", (), BUILT),
            ("without-a-requirement", ("b>2",), failed("other requirements than the wheel: b>2")),
        )
    ),
    make_case("yanked-only", "E2", {PAGE: json_page(json_file(yanked="broken"))}, failed("yanked")),
]
