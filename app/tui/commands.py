"""The commands of the palette: what the keys do, by name, and builds to go to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

import pool
from app.view import order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.tui.dashboard import Dashboard

__all__ = ["BuildCommands"]

_CAPS = range(1, 17)


class BuildCommands(Provider):
    """Finds commands for the dashboard; asked only while the palette is open."""

    async def discover(self) -> Hits:
        """Offer what can be done now."""
        for name, about, action in self._actions():
            yield DiscoveryHit(name, action, help=about)

    async def search(self, query: str) -> Hits:
        """Find commands, caps and builds by what was typed."""
        matcher = self.matcher(query)
        for name, about, action in (*self._actions(), *self._caps(), *self._builds()):
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), action, help=about)

    @property
    def _dashboard(self) -> Dashboard:
        return cast("Dashboard", self.screen)

    def _actions(self) -> Iterator[tuple[str, str, Callable[[], None]]]:
        dashboard = self._dashboard
        yield "open log", "of the selected build, full screen", dashboard.action_open_log
        yield "filter builds", "by name or state", dashboard.action_filter
        if dashboard.live:
            yield "raise the cap of builds", "by one", partial(dashboard.action_cap, 1)
            yield (
                "lower the cap of builds",
                "by one; ends nobody",
                partial(dashboard.action_cap, -1),
            )
            yield "pause or resume", "builds that run go on", dashboard.action_pause
            yield "cancel build", "the selected one", dashboard.action_cancel
            yield "retry build", "the selected one", dashboard.action_retry

    def _caps(self) -> Iterator[tuple[str, str, Callable[[], None]]]:
        if self._dashboard.live:
            for limit in (pool.LimitName.BUILDS, pool.LimitName.DOWNLOADS, pool.LimitName.INSTALLS):
                for cap in _CAPS:
                    resize = partial(self._dashboard.resize, limit, cap)
                    yield f"{limit} {cap}", f"set the cap of {limit} to {cap}", resize

    def _builds(self) -> Iterator[tuple[str, str, Callable[[], None]]]:
        for build in order(self._dashboard.feed.state)[:1000]:
            yield f"go to {build.label}", "", partial(self._dashboard.go_to, build.id)
