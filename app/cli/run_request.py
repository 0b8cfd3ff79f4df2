"""Runs one request with its display, from parsed flags to the exit code.

Deliberately without click: the usual command lines are parsed without it (`app.cli.arguments`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from app.cli.terminal import create_screen, is_interactive, load_sources, run_screen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pool
    from app.config.display import DisplayOptions
    from app.source.cached import CachedSession
    from app.source.live import LiveSession

__all__ = ["run_request"]


def run_request(
    targets: Sequence[str],
    flags: Mapping[str, object],
    entered: float | None,
    *,
    install: bool,
) -> int:
    """Build or install the targets; return the exit code.

    Args:
        targets: the arguments of the command.
        flags: its options by name; None and empty tuples are unset.
        entered: when this process ran its first code; None if it is not this command's alone.
        install: install into an environment instead of writing wheels.

    Raises:
        PoolError, ExceptionGroup: bad input; nothing has been started.
    """
    from pathlib import Path

    from app.config.display import derive_display_options
    from app.config.request import parse_request
    from app.config.settings import derive_settings
    from pool import read_process_start

    sources, cwd = load_sources(flags), Path.cwd()
    display = derive_display_options(sources)
    parsed = parse_request(sources, [_check_encoding(text) for text in targets], cwd)
    argv = ["wheelpool", *sys.argv[1:]]
    settings = derive_settings(
        sources,
        argv,
        cwd,
        index=parsed.index,
        install=install,
        process_start=None if entered is None else read_process_start(entered),
    )
    if display.no_ui or not is_interactive(sources):
        return _run_headless(_open_session(settings, parsed.request), display)
    from app.source.live import LiveSession

    code = None
    while code is None:
        code = _run_on_screen(LiveSession(settings, parsed.request), display)
    return code


def _open_session(settings: pool.Settings, request: pool.Request) -> CachedSession | LiveSession:
    """Return the run as the cache gives it, or else one of the engine."""
    import pool

    if (cached := pool.complete_from_cache(settings, request, pool.SystemClock())) is not None:
        from app.source.cached import CachedSession

        return CachedSession(cached)
    from app.source.live import LiveSession

    return LiveSession(settings, request)


def _check_encoding(target: str) -> str:
    """Refuse a target that is not valid UTF-8: journals and screens could not show its name."""
    import pool

    shown = target.encode(errors="surrogateescape").decode(errors="replace")
    if shown != target:
        raise pool.TargetError(f"{shown}: the name is not valid UTF-8")
    return target


def _run_headless(session: CachedSession | LiveSession, display: DisplayOptions) -> int:
    from app.plain import run as headless

    return headless.run_headless(session, display)


def _run_on_screen(session: LiveSession, display: DisplayOptions) -> int | None:
    """Run until the screen is left; then end the run and print its summary.

    Returns:
        The exit code; None if the user wants the same request to be run again.
    """
    from app.plain import run as headless

    screen = create_screen(session, display)
    interrupted = False

    def close(_count: int) -> None:
        nonlocal interrupted
        interrupted = True
        screen.exit()

    crash: Exception | None = None
    # A signal closes the screen first, so that the terminal is restored.
    with headless.handle_signals(session.send, close):
        session.start()
        try:
            crash = run_screen(screen, display)
        finally:
            if crash is None or interrupted:
                code = headless.finish_after_screen(session, timings=display.timings)
            else:
                code = headless.continue_after_crash(session, crash, display)
    return None if screen.restart_requested else code
