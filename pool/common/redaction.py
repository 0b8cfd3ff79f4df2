"""Redaction of secrets: credentials in URLs and headers, and values whose name says that they are.

Messages, journals, reports and screens get stars instead. Pure text: a secret that has neither such
a name nor a place in a URL or a header is not recognized. In doubt more is hidden than needed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pool.common.lazy_pattern import LazyPattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["STARS", "is_secret_name", "redact_args", "redact_settings", "redact_urls"]

STARS = "***"

_SECRET: Final = LazyPattern(
    r"token|passw|passphrase|secret|credential|signature|(?:api|access|private).?key|authoriz"
    r"|hdnea|hdnts|\.auth",
    re.IGNORECASE,
)
"""Parts of the names of secrets; ``hdnea`` and ``hdnts`` are those of Akamai's signed URLs."""
_WORD: Final = LazyPattern(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_SECRET_WORDS: Final = frozenset({"auth", "bearer", "hmac", "jwt", "sig"})
_SECRET_ENDS: Final = frozenset({"key", "otp", "pass", "pat", "pw", "pwd", "sas", "session", "sid"})

_WORD_START = r"""(?<![^\s"'`=,;(<\[|/])(?<!//)"""
_HOST_END = r"(?:\.[A-Za-z][\w-]*|\.\d+\.\d+\.\d+)(?::\d+)?"
_URL: Final = LazyPattern(r"([A-Za-z][\w+.-]{0,40})?://")
_DELIMITER: Final = LazyPattern(r"[/?#]")
_PORT: Final = LazyPattern(r"""\d{0,5}[]\\"'`,.;:)>}]*""")
_HOST_AND_PATH: Final = LazyPattern(rf"(?:[\w-]+(?:\.[\w-]+)*{_HOST_END}|localhost(?::\d+)?)/")
_WITHOUT_SCHEME: Final = LazyPattern(
    # The colon of "https:" is none of a password. A bare name is a host if a path follows.
    rf"{_WORD_START}[^\s:/?#@\"'=]{{1,100}}:(?!//)[^\s\"'<>]{{1,500}}@"
    rf"(?=[\w-]+(?:\.[\w-]+)*(?::\d+)?/|[\w.-]*{_HOST_END}(?![\w.]))"
)
# Names have an end, or a line of many question marks would take as many looks at its rest.
_QUERY: Final = LazyPattern(r"([?&#;]([\w.%~-]{1,100})=)[^&#;\s]+")
_HEADER: Final = LazyPattern(
    r"""(?i)((?:authorization|x-[\w-]{0,40}(?:token|key))["']?[ ]?[:=][ ]?["']?"""
    r"""(?:(?:basic|bearer|digest|negotiate|token)[ ]+)?)[^\s"',]+"""
)
_SETTING: Final = LazyPattern(
    r"""(?<![\w.-])(?:-[CD])?([\w.-]+)["']?(?::[A-Z]+)?(?:[ ]?:[ ]?|(?<![=<>!~])=(?!=))["']?"""
)
"""A name before its value, also in JSON and with a type of CMake's; no comparison of versions.

It begins at a boundary, or a long word would take as many looks as it has characters.
"""
_OPTION: Final = LazyPattern(r"(?:[\w.-]+=)?--?([\w-]+)")
_OPTION_AND_VALUE: Final = LazyPattern(r"((?<![\w-])--?([\w-]+)\s+)(?!-)\S+")
_CONFIG_SETTING: Final = frozenset({"-C", "--config-setting", "--config-settings"})


def is_secret_name(name: str) -> bool:
    """Return whether the value of this name is a secret: ``api_token``, ``X-Amz-Signature``."""
    if _SECRET.search(name):
        return True
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (words[-1] in _SECRET_ENDS or not _SECRET_WORDS.isdisjoint(words))


def redact_urls(text: str) -> str:
    """Return the text with stars for userinfo and secret parameters of its URLs, and for headers.

    Headers are those with ``Authorization``. A password may contain unquoted ``/``, ``?`` and
    ``#``, and the URL may lack its scheme.
    """
    if "@" in text:
        text = _redact_userinfo(text)
        text = _WITHOUT_SCHEME.sub(f"{STARS}@", text)
    if "=" in text:
        text = _QUERY.sub(lambda found: _hide(found, found[2]), text)
    return _HEADER.sub(rf"\1{STARS}", text) if ":" in text or "=" in text else text


def _hide(found: re.Match[str], name: str) -> str:
    return f"{found[1]}{STARS}" if is_secret_name(name) else found[0]


def _redact_userinfo(text: str) -> str:
    """Return the text with stars for what is before the host of each URL."""
    starts = list(_URL.finditer(text))
    if not starts:
        return text
    ends = [found.start() for found in starts[1:]] + [len(text)]
    parts = [text[: starts[0].start()]]
    for found, end in zip(starts, ends, strict=True):
        url, blank, more = _split_blank(text[found.end() : end])
        parts += [found[0], _hide_userinfo(found[1] or "", url), blank, more]
    return "".join(parts)


def _split_blank(text: str) -> tuple[str, str, str]:
    blank = re.search(r"\s", text)
    at = blank.start() if blank else len(text)
    return text[:at], text[at : at + 1], text[at + 1 :]


def _hide_userinfo(scheme: str, url: str) -> str:
    """Return a URL, given without its scheme, with stars for its userinfo.

    If what should be the port is none, a delimiter belongs to the password: the host follows the
    last "@". If a host follows the last "@", it is the host. The path of ``git@host:path`` stays.
    """
    netloc = _DELIMITER.split(url, maxsplit=1)[0]
    _, at, host = netloc.rpartition("@")
    before, last, behind = url.rpartition("@")
    if last and len(before) > len(netloc):
        is_port = _PORT.fullmatch(host.rpartition("]")[2].partition(":")[2])
        is_password = not is_port and not scheme.endswith("ssh")
        if is_password or _HOST_AND_PATH.match(behind):
            return f"{STARS}@{behind}"
    return f"{STARS}@{host}{url[len(netloc) :]}" if at else url


def redact_args(words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command line, with stars for the values of options that are secrets."""
    hide = False
    for word in words:
        if hide and word in _CONFIG_SETTING:
            yield word
            continue
        yield STARS if hide else _redact_word(word)
        option = _OPTION.fullmatch(word) if "-" in word else None
        hide = option is not None and is_secret_name(option[1])


def _redact_word(word: str) -> str:
    if ":" in word or "=" in word:
        for found in _SETTING.finditer(word):
            if is_secret_name(found[1]) and found.end() < len(word):
                return redact_urls(word[: found.end()]) + STARS
    if "-" in word and (" " in word or not word.isprintable()):
        word = _OPTION_AND_VALUE.sub(lambda found: _hide(found, found[2]), word)
    return redact_urls(word)


def redact_settings(
    settings: Mapping[str, str | list[str]],
) -> dict[str, str | list[str]]:
    """Return settings with stars for the values that are secrets, by their names or the options."""

    def shown(key: str, values: list[str]) -> list[str]:
        return [STARS for _ in values] if is_secret_name(key) else list(redact_args(values))

    return {
        key: shown(key, [value])[0] if isinstance(value, str) else shown(key, value)
        for key, value in settings.items()
    }
