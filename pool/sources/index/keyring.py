"""Passwords from the keyring, as pip's and uv's ``keyring-provider`` select it.

``subprocess`` runs ``keyring get URL USER``, so the user must be in the URL of the index;
``import`` uses the package ``keyring`` if it is installed beside wheelpool. All calls block.
"""

from __future__ import annotations

import shutil
import subprocess
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pool.sources.index.credentials import Login

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pool.sources.index.settings import KeyringProvider

__all__ = ["Keyring"]

_TIMEOUT_SECONDS = 60.0
"""A keyring may wait for its user to unlock it."""


class Keyring:
    """The keyring of the user.

    Args:
        provider: how it is reached; ``auto`` imports it, or else runs it.
        environ: the environment of the command.
    """

    def __init__(self, provider: KeyringProvider, environ: Mapping[str, str]) -> None:
        if provider == "auto":
            provider = "import" if find_spec("keyring") is not None else "subprocess"
        self._provider = provider
        self._environ = environ

    @property
    def enabled(self) -> bool:
        """Whether there may be passwords."""
        return self._provider != "disabled"

    def find(self, urls: tuple[str, ...], user: str) -> Login | None:
        """Return the first login that the keyring has for one of these URLs; None if it has none.

        Args:
            urls: without userinfo, the most specific first; the host alone is asked for last.
            user: empty if it is not known; the command needs one.
        """
        hosts = dict.fromkeys(urlsplit(url).netloc for url in urls)
        for service in (*urls, *hosts):
            if (login := self._ask(service, user)) is not None:
                return login
        return None

    def _ask(self, service: str, user: str) -> Login | None:
        if self._provider == "import":
            return _import_login(service, user)
        password = self._run(service, user) if user else None
        return Login(user, password) if password else None

    def _run(self, service: str, user: str) -> str | None:
        command = shutil.which("keyring", path=self._environ.get("PATH"))
        if command is None:
            return None
        try:
            from pool.system.process import capture_output

            output = capture_output(
                [command, "get", service, user], environ=self._environ, timeout=_TIMEOUT_SECONDS
            )
        except (OSError, subprocess.SubprocessError):
            return None  # It has no such entry, or cannot be unlocked.
        return output.rstrip("\r\n")


def _import_login(service: str, user: str) -> Login | None:
    try:
        found = import_module("keyring").get_credential(service, user or None)
    except Exception:  # noqa: BLE001 - its backends raise errors of any type; pip ignores them, too
        return None
    return Login(found.username, found.password) if found is not None else None
