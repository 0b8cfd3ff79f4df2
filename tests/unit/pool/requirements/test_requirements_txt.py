"""Requirement files: what they are taken for, which of their lines are wrong, and pip's opinion."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from pool.common.errors import PackageIndexError, RequirementsFileError
from pool.requirements.request import FormatControl
from pool.requirements.requirements_txt import RequirementsFile, read_requirements
from pool.requirements.target import (
    GitTarget,
    RequirementTarget,
    SdistTarget,
    TreeTarget,
    UrlTarget,
    WheelTarget,
)
from tests.support.makers import make_sdist, make_tree, make_wheel

A, B, C = "0a" * 32, "0b" * 48, "0c" * 64


def read(folder: Path, text: str | bytes = "", /, **more: Any) -> RequirementsFile:
    data = text.encode() if isinstance(text, str) else text
    if data:
        (folder / "r.txt").write_bytes(data)
    return read_requirements("r.txt", folder, **{"environ": {}, **more})


def wrong(folder: Path, text: str | bytes = "", /, **more: Any) -> list[str]:
    """Return the messages of all that is wrong."""
    with pytest.raises((RequirementsFileError, ExceptionGroup)) as caught:
        read(folder, text, **more)
    problem = caught.value
    problems = problem.exceptions if isinstance(problem, ExceptionGroup) else (problem,)
    assert all(isinstance(one, RequirementsFileError) for one in problems)
    messages = [str(one) for one in problems]
    assert not any("\n" in message or "secret" in message for message in messages)
    return messages


def names(said: RequirementsFile) -> list[str]:
    return [str(wish.target.label) for wish in said.requirements]


def test_requirements_are_wishes_that_know_their_line(tmp_path: Path) -> None:
    said = read(tmp_path, '\n# of the app\nsix\n\nattrs [x] >=1 ; python_version > "3"  # why\n')
    assert names(said) == ["six", 'attrs[x]>=1; python_version > "3"']
    assert [wish.origin for wish in said.requirements] == ["r.txt:3", "r.txt:5"]
    assert said == RequirementsFile(requirements=said.requirements)


def test_a_hash_sign_begins_a_comment_only_behind_a_space(tmp_path: Path) -> None:
    said = read(tmp_path, "git+https://x.test/a#egg=a\t# b\n#c\n  # d\n")
    assert names(said) == ["git+https://x.test/a#egg=a"]


def test_lines_are_continued_but_not_from_comments(tmp_path: Path) -> None:
    text = "six\\\n==1.0 \\\n  # no more \\\nattrs # a comment \\\n that goes on\nidna\\"
    said = read(tmp_path, text)
    assert names(said) == ["six==1.0", "attrs", "idna"]
    assert [wish.origin for wish in said.requirements] == ["r.txt:1", "r.txt:4", "r.txt:6"]


def test_set_variables_are_replaced(tmp_path: Path) -> None:
    text = (
        "-i https://${USER_1}:${TOKEN}@x.test/simple\n${NAME}==1 ; os_name != '${unset}${UNSET}'\n"
    )
    environ = {"USER_1": "me", "TOKEN": "secret", "NAME": "six", "EMPTY": "", "unset": "x"}
    said = read(tmp_path, text, environ=environ)
    assert said.index_url == "https://me:secret@x.test/simple"
    assert names(said) == ['six==1; os_name != "${unset}${UNSET}"']


@pytest.mark.parametrize(
    "data",
    [
        "# ä\nsix".encode("utf-8-sig"),
        "# ä\nsix".encode("utf-16"),
        "# ä\nsix".encode("utf-32"),
        "# -*- coding: latin-1 -*-\n# ä\nsix".encode("latin-1"),
        "#!x\n# vim: set fileencoding=cp1252 :\n# ä\nsix".encode("cp1252"),
        b"six\r\n# x\r",
    ],
)
def test_the_encoding_is_read_from_a_bom_or_a_line(tmp_path: Path, data: bytes) -> None:
    assert names(read(tmp_path, data)) == ["six"]


def test_a_file_that_is_not_text_is_reported(tmp_path: Path) -> None:
    assert "r.txt: not readable as text: 'utf-8' codec" in wrong(tmp_path, b"# \xe4\nsix")[0]
    assert "no encoding called klingon" in wrong(tmp_path, "# coding: klingon\n")[0]


def test_paths_are_relative_to_the_working_directory(tmp_path: Path) -> None:
    tree, sdist = make_tree(tmp_path, "a"), make_sdist(tmp_path / "dist", "b")
    wheel = make_wheel(tmp_path / "dist", "c")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "r.txt").write_text(
        "./a-1.0[x]\n-e a-1.0 -C k=v\ndist/b-1.0.tar.gz ; python_version > '3'\nfile:dist/"
        f"{wheel.name}\n"
    )
    said = read_requirements("deep/r.txt", tmp_path, environ={})
    targets = [wish.target for wish in said.requirements]
    assert targets == [
        TreeTarget(path=tree),
        TreeTarget(path=tree),
        SdistTarget(path=sdist),
        WheelTarget(path=wheel),
    ]
    assert [wish.editable for wish in said.requirements] == [False, True, False, False]
    assert said.requirements[0].extras == {"x"}
    assert said.requirements[1].config_settings == {"k": "v"}
    assert str(said.requirements[2].marker) == 'python_version > "3"'
    assert said.requirements[0].origin == "deep/r.txt:1"


def test_a_path_beside_the_file_is_explained(tmp_path: Path) -> None:
    make_tree(tmp_path / "deep", "a")
    (tmp_path / "deep" / "r.txt").write_text("./a-1.0\n")
    with pytest.raises(RequirementsFileError) as caught:
        read_requirements("deep/r.txt", tmp_path, environ={})
    assert str(caught.value) == "deep/r.txt:1: ./a-1.0: no such file or directory"
    assert "not to the file" in caught.value.hint


def test_a_bare_word_is_never_a_folder(tmp_path: Path) -> None:
    make_tree(tmp_path, "six").rename(tmp_path / "six")
    said = read(tmp_path, "six\n")
    assert isinstance(said.requirements[0].target, RequirementTarget)


def test_urls_have_hashes_markers_and_settings(tmp_path: Path) -> None:
    text = (
        f"https://x.test/a-1.tar.gz#sha256={A} ; python_version > '3' --hash=sha512:{C}\n"
        f"b[x] @ https://x.test/b-1.zip --hash sha384:{B} -C k=1 --config-setting k=2 -C 'l=a b'\n"
    )
    first, second = read(tmp_path, text).requirements
    assert first.target == UrlTarget(url="https://x.test/a-1.tar.gz")
    assert first.hashes == {f"sha256:{A}", f"sha512:{C}"}
    assert str(first.marker) == 'python_version > "3"'
    assert second.hashes == {f"sha384:{B}"}
    assert second.config_settings == {"k": ["1", "2"], "l": "a b"}


def test_files_include_files_beside_them(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "dev.txt").write_text("-rbase.txt\npytest\n-c ../limits.txt\n")
    (tmp_path / "deep" / "base.txt").write_text("six\n")
    (tmp_path / "limits.txt").write_text(f"six<2\nidna @ https://x.test/idna-3.zip#sha256={A}\n")
    said = read(tmp_path, "--requirement=deep/dev.txt\nattrs\n")
    assert [
        (name, wish.origin) for name, wish in zip(names(said), said.requirements, strict=True)
    ] == [
        ("six", "deep/base.txt:1"),
        ("pytest", "deep/dev.txt:2"),
        ("attrs", "r.txt:2"),
    ]
    first, second = said.constraints
    assert (str(first.requirement), first.origin) == ("six<2", "deep/../limits.txt:1")
    assert second.requirement.url == f"https://x.test/idna-3.zip#sha256={A}"
    assert second.hashes == {f"sha256:{A}"}


def test_urls_of_files_are_fetched(tmp_path: Path) -> None:
    pages = {
        "https://me:secret@x.test/r/a.txt": "-r b.txt\n-c /c.txt\n",
        "https://me:secret@x.test/r/b.txt": "six\n",
        "https://me:secret@x.test/c.txt": "six<2\n",
    }
    said = read(tmp_path, "-r https://me:secret@x.test/r/a.txt\n", fetch=pages.__getitem__)
    assert [wish.origin for wish in said.requirements] == ["https://***@x.test/r/b.txt:1"]
    assert [one.origin for one in said.constraints] == ["https://***@x.test/c.txt:1"]
    assert wrong(tmp_path) == ["r.txt:1: https://***@x.test/r/a.txt: a URL cannot be read here"]

    def broken(url: str) -> str:
        raise PackageIndexError(f"{url}: 404")

    assert wrong(tmp_path, fetch=broken) == ["r.txt:1: https://***@x.test/r/a.txt: 404"]


def test_a_file_url_is_read(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("six\n")
    said = read(tmp_path, f"-r {(tmp_path / 'b.txt').as_uri()}\n-r file:b.txt\n")
    assert names(said) == ["six", "six"]


def test_circles_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("-c ./r.txt\n")
    circle = "r.txt includes itself: r.txt -> b.txt -> r.txt"
    assert wrong(tmp_path, "-r b.txt\n-r c.txt\n") == [
        f"b.txt:1: {circle}",
        "r.txt:2: c.txt: no such file or directory",
    ]
    (tmp_path / "r.txt").unlink()
    assert wrong(tmp_path) == ["r.txt: no such file or directory"]


def test_options_are_settings(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    text = """
        -i https://x.test/1
        --extra-index-url=https://x.test/2 --extra-index-url https://x.test/3
        --find-links links
        -f ./elsewhere
        -f https://x.test/links
        --trusted-host x.test --pre
        --prefer-binary --use-feature=fast-deps
    """
    said = read(tmp_path, text)
    assert said.index_url == "https://x.test/1"
    assert said.extra_index_urls == ("https://x.test/2", "https://x.test/3")
    assert said.find_links == (str(tmp_path / "links"), "./elsewhere", "https://x.test/links")
    assert said.trusted_hosts == ("x.test",)
    assert said.pre
    assert read(tmp_path, "-i https://x.test\n--no-index\n--extra-index-url y").no_index
    assert read(tmp_path).index_url is None


@pytest.mark.parametrize(
    ("text", "no_binary", "only_binary"),
    [
        ("--no-binary :all:\n--only-binary Six,a.b", {":all:"}, {"six", "a-b"}),
        ("--no-binary six,a\n--only-binary six", {"a"}, {"six"}),
        ("--no-binary six\n--only-binary :all:", set(), {":all:"}),
        ("--no-binary a,:all:,b", {":all:"}, set()),
        ("--no-binary a,:all:,:none:,b", {"b"}, set()),
        ("--no-binary :all:\n--only-binary a\n--no-binary a", {":all:", "a"}, set()),
        ("--no-binary :all:\n--no-binary :none:", set(), set()),
    ],
)
def test_format_options_apply_in_order(
    tmp_path: Path, text: str, no_binary: set[str], only_binary: set[str]
) -> None:
    said = read(tmp_path, text)
    assert said.formats.no_binary == no_binary
    assert said.formats.only_binary == only_binary


def test_format_options_continue_from_earlier_ones(tmp_path: Path) -> None:
    before = FormatControl(no_binary=frozenset({"a", "b"}))
    said = read(tmp_path, "--only-binary a", formats=before)
    assert said.formats == FormatControl(no_binary=frozenset("b"), only_binary=frozenset("a"))


def test_one_hash_requires_hashes_for_all(tmp_path: Path) -> None:
    text = f"six==1 --hash=sha256:{A} \\\n --hash=sha512:{C}\nattrs==1\n-e ./a-1.0\n"
    make_tree(tmp_path, "a")
    assert wrong(tmp_path, text) == [
        "r.txt:3: attrs==1 has no --hash",
        "r.txt:4: ./a-1.0 has no --hash",
    ]
    assert wrong(tmp_path, "--require-hashes\nsix") == ["r.txt:2: six has no --hash"]
    assert not read(tmp_path, "--no-require-hashes\n" + text).require_hashes


def test_a_hash_may_come_from_a_constraint_or_a_url(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text(f"Six==1 --hash=sha256:{A}\n")
    said = read(tmp_path, f"six\nhttps://x.test/a.zip#sha256={A}\n-c c.txt\n")
    assert said.require_hashes
    assert said.constraints[0].hashes == {f"sha256:{A}"}
    assert not read(tmp_path, f"six\nhttps://x.test/a.zip#sha256={A}\n").require_hashes


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("six==", "'six==': neither an existing path"),
        ("./nothing", "./nothing: no such file or directory"),
        ("a @ https://me:secret@x.test/a.zip ; what", "neither an existing path"),
        ("hg+https://me:secret@x.test/a", "hg repositories"),
        ("--nonsense", "no such option: --nonsense"),
        ("--index-url", "requires 1 argument"),
        ("--no-binary --pre", "--no-binary needs names"),
        ("--re x", "ambiguous option"),
        ("six --index-url https://x.test", "--index-url needs a line of its own"),
        ("-e ./a -e ./b", "more than one requirement on a line"),
        ("six -e ./a", "more than one requirement on a line"),
        ("-e 'a", "No closing quotation"),
        ("-r b.txt c.txt", "'c.txt' follows an option"),
        ("-e six", "six: only a project's folder can be editable"),
        ("-e git+https://x.test/a#egg=a", "a repository cannot be editable"),
        (f"--hash=sha256:{A}", "--hash must follow a requirement"),
        (f"six --hash=sha1:{A}", "must start with sha256:"),
        ("six --hash=sha256:abc", "not 64 hexadecimal digits"),
        (f"git+https://x.test/a --hash=sha256:{A}", "only a file can have a hash"),
        ("six -C what", "must be KEY=VALUE"),
        ("six --global-option=x", "--global-option is not supported"),
        ("--only-final six", "--only-final is not supported"),
        ("-r file://x.test/r.txt", "a file of this machine"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, line: str, reason: str) -> None:
    (message,) = wrong(tmp_path, f"idna\n\n{line}\n")
    assert message.startswith("r.txt:3: ")
    assert reason in message


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("six[x]", "no extras and no options"),
        ("six -C a=b", "no extras and no options"),
        ("-e ./a", "a constraint is a name with versions"),
        ("./a-1.0.zip", "a constraint is a name with versions"),
        ("https://me:secret@x.test/a.zip", "a constraint is a name with versions"),
    ],
)
def test_wrong_constraints_are_named(tmp_path: Path, line: str, reason: str) -> None:
    (message,) = wrong(tmp_path, f"idna<3\n{line}\n", constraint=True)
    assert message.startswith("r.txt:2: ")
    assert reason in message


def test_all_invalid_lines_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("six=1\n")
    messages = wrong(tmp_path, "a b\n-r b.txt\n--what\n")
    assert [message.partition(": ")[0] for message in messages] == ["r.txt:1", "b.txt:1", "r.txt:3"]


@dataclass(frozen=True)
class Opinion:
    """The comparable parts of a requirement, as pip and as wheelpool parse it."""

    what: str
    extras: frozenset[str]
    marker: str
    hashes: frozenset[str]
    settings: str
    editable: bool


def ours(said: RequirementsFile) -> list[Opinion]:
    found = []
    for wish in said.requirements:
        target, extras, marker = wish.target, wish.extras, wish.marker
        if isinstance(target, RequirementTarget):
            parsed = target.parsed
            what = f"{parsed.name}{parsed.specifier}"
            extras, marker = frozenset(parsed.extras), parsed.marker
        elif isinstance(target, UrlTarget):
            what = target.url
        elif isinstance(target, GitTarget):
            what = f"git+{target.url}" + (f"@{target.reference}" if target.reference else "")
        else:
            what = target.path.as_uri()
        settings = repr(sorted(wish.config_settings.items()))
        found.append(Opinion(what, extras, str(marker or ""), wish.hashes, settings, wish.editable))
    return found


def pips(path: Path) -> tuple[list[Opinion], Any]:
    """Ask pip's own parser."""
    from pip._internal.index.collector import LinkCollector
    from pip._internal.index.package_finder import PackageFinder
    from pip._internal.models.search_scope import SearchScope
    from pip._internal.models.selection_prefs import SelectionPreferences
    from pip._internal.network.session import PipSession
    from pip._internal.req import parse_requirements
    from pip._internal.req.constructors import install_req_from_parsed_requirement

    with PipSession() as session:
        collector = LinkCollector(session, SearchScope([], ["default"], no_index=False))
        finder = PackageFinder.create(collector, SelectionPreferences(allow_yanked=False))
        found = []
        for parsed in parse_requirements(str(path), session, finder=finder):
            made = install_req_from_parsed_requirement(parsed)
            link, parts = made.link, made.req
            if link is not None:
                what = link.url_without_fragment
                marker = made.markers
            else:
                what, marker = f"{parts.name}{parts.specifier}", parts.marker or made.markers
            digests = {
                f"{kind}:{digest}" for kind, all_ in made.hash_options.items() for digest in all_
            }
            if link is not None and link.hash:
                digests.add(f"{link.hash_name}:{link.hash}")
            settings = (parsed.options or {}).get("config_settings", {})
            found.append(
                Opinion(
                    what,
                    frozenset(made.extras),
                    str(marker or ""),
                    frozenset(digests),
                    repr(sorted(settings.items())),
                    made.editable,
                )
            )
    return found, finder


CORPUS = [
    "six\nattrs>=1,<2\nIdna[a,b]==1.0\n",
    "six ; python_version > '3' and os_name == \"posix\"\nattrs;python_version>'3'\n",
    "  six==1.0  # pinned\n\t# nothing\n#\nattrs\n",
    "six \\\n  ==1.0 \\\n  ; python_version \\\n  > '3'\nattrs\n",
    "six\\\n# comment \\\nattrs\n",
    "six # one \\\ntwo\nattrs\n",
    "six\\\n\\\n\\\n==1\nattrs\\",
    f"six==1 --hash=sha256:{A} --hash=sha256:{A[::-1]} \\\n    --hash=sha512:{C}\n",
    f"six==1;python_version>'3' --hash=sha256:{A}\n",
    "six -C a=b --config-settings=c=d --config-setting 'e=f g' -Ca=h\n",
    "./a-1.0\n./a-1.0[x,y]\na-1.0/\n./a-1.0;python_version>'3'\n",
    "-e ./a-1.0\n--editable=./a-1.0[x]\n-e a-1.0\n-ea-1.0\n-e 'a-1.0'\n",
    "b-1.0.tar.gz\n./b-1.0.tar.gz\nb-1.0.tar.gz[x]\n",
    f"https://x.test/a-1.tar.gz\nhttps://x.test/a-1.zip#egg=a&sha256={A}\n",
    "https://x.test/a.zip ; python_version > '3'\nhttps://x.test/a;b.zip\n",
    "a @ https://x.test/a.zip\na[b]@https://x.test/a.zip ; python_version > '3'\n",
    "git+https://x.test/a.git@v1#egg=a\na @ git+ssh://git@x.test/a.git@0123\n",
    "${NAME}==${VERSION}\n${UNSET}six\n".replace("${UNSET}", ""),
    "--pre\n--no-binary :all:\n--only-binary=six,attrs\nidna\n--no-binary six\n",
    "-i https://x.test/1\n--extra-index-url https://x.test/2\n--find-links links\nsix\n",
    "--extra-index-url https://x.test/2\n--index-url https://x.test/1\n-f other\nsix\n",
    "--no-index\n--index-url https://x.test/1\n--find-links=file:links\nsix\n",
    "--pypi-url https://x.test/1\n--extra-index https://x.test/2\nsix\n",
    "-r deep/more.txt\nsix\n-r deep/more.txt\n",
    "six\f\nattrs\x1cidna\r\nrich\rpytest\n",
]


@pytest.mark.skipif(Version(version("pip")) < Version("26"), reason="its pip is older than 26")
@pytest.mark.parametrize("text", CORPUS)
def test_pip_takes_a_file_for_the_same(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAME", "six")
    monkeypatch.setenv("VERSION", "1.0")
    make_tree(tmp_path, "a")
    make_sdist(tmp_path, "b")
    (tmp_path / "links").mkdir()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "more.txt").write_text("-r ../last.txt\nrich\n-e ./a-1.0\n")
    (tmp_path / "last.txt").write_text("pytest\n--pre\n")
    said = read(tmp_path, text, environ=os.environ)
    expected, finder = pips(tmp_path / "r.txt")
    assert ours(said) == expected
    index = () if said.no_index else (said.index_url or "default", *said.extra_index_urls)
    assert list(index) == finder.index_urls
    assert list(said.find_links) == finder.find_links
    assert said.formats.no_binary == finder.format_control.no_binary
    assert said.formats.only_binary == finder.format_control.only_binary
    assert said.pre == bool(finder.release_control and finder.release_control.all_releases)


@pytest.mark.parametrize(
    "url",
    ["file://{}/a/../core", "file://localhost{}/core", "file://{}/./core/", "file://{}/c%6Fre"],
)
def test_read_requirements_file_url_of_a_constraint_is_normalized(tmp_path: Path, url: str) -> None:
    for folder in ("a", "core"):
        (tmp_path / folder).mkdir()
    (tmp_path / "core" / "setup.py").touch()
    (tmp_path / "c.txt").write_text(f"core @ {url.format(tmp_path)}\n")
    file = read_requirements("c.txt", tmp_path, environ={}, constraint=True)
    assert file.constraints[0].requirement.url == (tmp_path / "core").as_uri()


def test_read_requirements_hash_of_a_constraint_elsewhere_is_enough(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("--require-hashes\nFoo_Bar\n")
    with pytest.raises(RequirementsFileError, match="has no --hash"):
        read_requirements("r.txt", tmp_path, environ={})
    assert read_requirements("r.txt", tmp_path, environ={}, hashed={"foo-bar"}).require_hashes
