"""The command palette: the actions of the keys by name, and builds to go to."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from app.format import format_size
from app.model.sorting import ORDERS
from app.text.limits import SLOT_LIMITS, budget_step
from app.text.search import filter_builds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pool
    from app.tui.run_model import RunModel
    from app.tui.table.widget import BuildTable

__all__ = ["BuildCommands", "CommandTarget"]


class CommandTarget(Protocol):
    """The dashboard as the palette uses it; see `app.tui.screens.dashboard.Dashboard`."""

    model: RunModel

    @property
    def live(self) -> bool: ...  # noqa: D102 - described at the dashboard, as all that follow
    @property
    def table(self) -> BuildTable: ...  # noqa: D102
    def set_limit(self, limit: pool.LimitName, value: int) -> None: ...  # noqa: D102
    def change_limit(self, limit: pool.LimitName, by: int) -> None: ...  # noqa: D102
    def ask_limit(self, limit: pool.LimitName) -> object: ...  # noqa: D102
    def ask_budget(self) -> object: ...  # noqa: D102
    def set_budget(self, text: str) -> None: ...  # noqa: D102
    def change_budget(self, steps: int) -> None: ...  # noqa: D102
    def go_to(self, build: pool.BuildId) -> None: ...  # noqa: D102
    def action_open_build(self) -> None: ...  # noqa: D102
    def action_tree(self) -> None: ...  # noqa: D102
    def action_timeline(self) -> None: ...  # noqa: D102
    def action_open_log(self) -> None: ...  # noqa: D102
    def action_filter(self) -> None: ...  # noqa: D102
    def action_next_cap(self) -> None: ...  # noqa: D102
    def action_pause(self) -> None: ...  # noqa: D102
    def action_cancel(self) -> None: ...  # noqa: D102
    def action_retry(self) -> None: ...  # noqa: D102


class BuildCommands(Provider):
    """Provides the dashboard's commands. Textual creates it while the palette is open."""

    async def discover(self) -> Hits:
        """Yield the available commands."""
        for name, about, action in self._actions():
            yield DiscoveryHit(name, action, help=about)

    async def search(self, query: str) -> Hits:
        """Yield commands, limits and builds that match the query."""
        matcher = self.matcher(query)
        for name, about, action in (
            *self._actions(),
            *self._limits(query),
            *self._budget(query),
            *self._builds(),
        ):
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), action, help=about)

    @property
    def _dashboard(self) -> CommandTarget:
        return cast("CommandTarget", self.screen)

    def _actions(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        dashboard = self._dashboard
        yield "open build", "details of the selected build", dashboard.action_open_build
        yield "dependencies", "the builds as a tree", dashboard.action_tree
        yield "timeline", "slots, builds and memory over time", dashboard.action_timeline
        yield "open log", "of the selected build", dashboard.action_open_log
        yield "filter builds", "by name or state", dashboard.action_filter
        for by in ORDERS:
            yield f"sort by {by}", "again: reverse", partial(dashboard.table.sort, by)
        if dashboard.live:
            for limit in SLOT_LIMITS:
                set_to = partial(dashboard.ask_limit, limit)
                yield f"{limit}: set the limit to ...", "type its value", set_to
                up, down = (partial(dashboard.change_limit, limit, by) for by in (1, -1))
                yield f"{limit}: raise the limit", "by one", up
                yield f"{limit}: lower the limit", "by one; running builds continue", down
            yield "memory: set the budget to ...", "type a size", dashboard.ask_budget
            step = format_size(budget_step(dashboard.model.state))
            yield "memory: raise the budget", f"by {step}", partial(dashboard.change_budget, 1)
            yield "memory: lower the budget", f"by {step}", partial(dashboard.change_budget, -1)
            yield "next limit", "that + and - change", dashboard.action_next_cap
            yield "pause or resume", "running builds continue", dashboard.action_pause
            yield "cancel build", "the selected one", dashboard.action_cancel
            yield "retry build", "the selected one", dashboard.action_retry

    def _limits(self, query: str) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Offer the number in the query as a limit."""
        if self._dashboard.live and (number := re.search(r"[1-9]\d{0,3}", query)):
            for limit in SLOT_LIMITS:
                resize = partial(self._dashboard.set_limit, limit, int(number[0]))
                yield f"{limit}: set the limit to {number[0]}", "", resize

    def _budget(self, query: str) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Offer the size in the query as the memory budget."""
        typed = re.search(r"\b\d+(\.\d+)?\s?([KMGT](i?B)?\b|%)", query, re.IGNORECASE)
        if self._dashboard.live and typed:
            resize = partial(self._dashboard.set_budget, typed[0])
            yield f"memory: set the budget to {typed[0]}", "", resize

    def _builds(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        for build in filter_builds(self._dashboard.model.state)[:1000]:
            yield f"go to {build.label}", "", partial(self._dashboard.go_to, build.id)
