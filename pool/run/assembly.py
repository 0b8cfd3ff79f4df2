"""Assembles the parts of a run that its builds use, from the pool's resources. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.build.build_requirements import BuildRequirements
from pool.build.context import BuildContext, CacheContext, EnvContext, FetchContext, HookContext
from pool.build.frontend.hook_jobs import HookJobs
from pool.build.frontend.tool_shims import ToolShims
from pool.cache.wheel_cache import WheelCache
from pool.common.cache_layout import CacheLayout
from pool.resolve.service import ResolverService
from pool.run.shared_env import SharedBuildEnv
from pool.sources.git import Git
from pool.sources.index.fetcher import Fetcher

if TYPE_CHECKING:
    from pathlib import Path

    from pool.common.model import RunId
    from pool.events.bus import EventBus
    from pool.resolve.service import Pages
    from pool.run.installer import Installer
    from pool.run.resources import PoolResources
    from pool.run.selection import Selection
    from pool.run.target import RunTarget
    from pool.settings import RunSettings

__all__ = ["create_context"]


def create_context(
    run: RunId,
    settings: RunSettings,
    *,
    target: RunTarget,
    resources: PoolResources,
    bus: EventBus,
    workspace: Path,
    pages: Pages,
    selection: Selection,
    installer: Installer | None,
) -> BuildContext:
    """Return the context of the builds of a run.

    Args:
        run: the run.
        settings: its settings.
        target: its interpreter and environments.
        resources: what the run shares with other runs of the pool.
        bus: the bus of the run.
        workspace: the folder of the run.
        pages: the index pages of the run.
        selection: the versions that are selected for the request.
        installer: installs into the environment; None if wheels are requested.
    """
    fetcher = Fetcher(
        run=run,
        index=resources.index_clients.get(settings),
        gate=resources.limits.downloads,
        bus=bus,
    )
    folders = (settings.out_dir, resources.cache_dir, resources.state_dir)
    return BuildContext(
        settings=settings,
        own_folders=tuple(folder for folder in folders if folder is not None),
        bus=bus,
        executor=resources.executors.files,
        fetch=FetchContext(
            bus=bus,
            executor=resources.executors.files,
            fetcher=fetcher,
            resolver=ResolverService(pages, target.interpreter),
            git=Git(CacheLayout(resources.cache_dir).git, resources.hooks.run, settings.environ),
        ),
        hooks=_hook_context(settings, resources, bus),
        cache=_cache_context(settings, resources),
        env=EnvContext(
            interpreter=target.interpreter,
            # Not the resolver of the request, whose metadata may be unknown for a while.
            requirements=BuildRequirements(
                resolver=ResolverService(pages, target.interpreter),
                fetcher=fetcher,
                installs=resources.limits.installs,
                unpacked_wheels=resources.unpacked_wheels,
                run_dir=workspace / "unpacked",
                interpreter=target.interpreter,
                executor=resources.executors.files,
            ),
            shared=SharedBuildEnv(target.shared_env, settings.isolates, selection, installer),
        ),
    )


def _hook_context(settings: RunSettings, resources: PoolResources, bus: EventBus) -> HookContext:
    limits = resources.limits
    jobs = HookJobs(
        limits.jobs,
        ToolShims(settings.environ, CacheLayout(resources.cache_dir).shims),
        settings.environ,
        resources.executors.probes,
        running_builds=lambda: limits.builds_at_work,
    )
    return HookContext(bus=bus, runner=resources.hooks, jobs=jobs, monitor=resources.monitor)


def _cache_context(settings: RunSettings, resources: PoolResources) -> CacheContext:
    return CacheContext(
        wheels=WheelCache(resources.cache_dir, resources.clock) if settings.cache else None,
        tree_locks=resources.tree_locks.get(settings.environ),
        file_locks=resources.file_locks,
    )
