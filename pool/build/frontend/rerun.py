"""A hook call as a shell command that a user can paste and change.

It runs in the kept build environment and tree, without wheelpool and without pyproject_hooks. Like
every message it is redacted: the user fills in secret config settings.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pool.common.redaction import STARS, redact_settings
from pool.common.text import quote_word

if TYPE_CHECKING:
    from pool.build.frontend.hooks import HookCall

__all__ = ["rerun_command"]


def rerun_command(call: HookCall) -> str:
    """Return a line for sh that runs the hook again with its output on the terminal."""
    module, _, attribute = call.backend.partition(":")
    settings = redact_settings(call.config_settings)
    arguments = [repr(settings)]
    if not call.hook.startswith("get_requires"):
        arguments.insert(0, repr(str(call.output)))
    paths = [str(call.tree / path) for path in call.backend_path]
    script = "; ".join(
        [
            "import sys, importlib",
            f"sys.path[:0] = {paths!r}",
            f"b = importlib.import_module({module!r})",
            *([f"b = b.{attribute}"] if attribute else []),
            f"print(b.{call.hook}({', '.join(arguments)}))",
        ]
    )
    folder, binaries = quote_word(str(call.tree)), quote_word(str(call.python.parent))
    note = "" if settings == call.config_settings else f"  # replace {STARS} by the secret value"
    return (
        f"cd {folder} && PATH={binaries}:$PATH"
        f" {quote_word(str(call.python))} -c {shlex.quote(script)}{note}"
    )
