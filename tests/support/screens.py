"""Screens under a Textual pilot: the text on them, and waiting for a condition."""

from __future__ import annotations

from collections.abc import Callable

from textual.pilot import Pilot

from app.tui.app import WheelpoolApp

__all__ = ["screen_text", "wait_until"]


async def wait_until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Let the application work until a condition is true; fail after some 4 s."""
    for _ in range(200):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError("the condition did not become true")


def screen_text(app: WheelpoolApp) -> str:
    """Return the lines that the screen shows."""
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in lines)
