"""Redaction of secrets: credentials in URLs, and values whose name says that they are secret.

Messages, journals, reports and screens get stars instead. Pure text: a secret that has neither such
a name nor a place in a URL is not recognized.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["STARS", "redact_args", "redact_settings", "redact_urls"]

STARS = "***"
_NAME = r"(?:token|passw|passphrase|secret|credential|api.?key|signature)"
# Greedy: a password may contain an unquoted "@".
_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")
# Names have an end, or a line of many question marks would take as many looks at its rest.
_QUERY = re.compile(rf"(?i)([?&][\w.-]{{0,40}}{_NAME}[\w.-]{{0,40}}=)[^&#\s]+")
_SECRET = re.compile(_NAME, re.IGNORECASE)
_SETTING = re.compile(rf"(?is)([\w.-]*{_NAME}[\w.-]*=).+")
_OPTION = re.compile(r"(?i)--?[\w-]*(?:password|passwd|token|secret|api-key)")


def redact_urls(text: str) -> str:
    """Return the text with stars for userinfo and secret parameters of all URLs in it."""
    if "://" not in text:
        return text
    return _QUERY.sub(rf"\1{STARS}", _USERINFO.sub(f"{STARS}@", text))


def redact_args(words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command line, with stars for the values of options that are secrets."""
    hide = False
    for word in words:
        yield STARS if hide else redact_urls(_SETTING.sub(rf"\1{STARS}", word))
        hide = _OPTION.fullmatch(word) is not None


def redact_settings(
    settings: Mapping[str, str | list[str]],
) -> dict[str, str | list[str]]:
    """Return settings with stars for the values that are secrets, by their names."""

    def shown(key: str, value: str) -> str:
        return STARS if _SECRET.search(key) else redact_urls(value)

    return {
        key: shown(key, said) if isinstance(said, str) else [shown(key, one) for one in said]
        for key, said in settings.items()
    }
