"""The build backend of one opened source tree, called hook by hook.

Each hook runs with a job of the pool's, while `pool.build.monitor` reads its log and samples its
processes. A hook that ran out of memory raises `OutOfMemoryError`; every failure has the command
that runs the hook again. Deliberately without the environment: it is passed to each call.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pool.build.diagnosis.fix_context import FixContext
from pool.build.diagnosis.oom_evidence import OomEvidenceCollector
from pool.build.frontend.hooks import HookCall, HookFailedError
from pool.build.frontend.rerun import rerun_command
from pool.build.frontend.warm.plan import plan_warm_hook
from pool.common.errors import BackendError
from pool.common.model import Phase
from pool.common.record import Record
from pool.events.types import BuildPhase, Note
from pool.requirements.target import GitTarget, RequirementTarget, TreeTarget
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pool.build.context import HookContext
    from pool.build.diagnosis.fix_context import SourceKind
    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.frontend.hook_result import Hook
    from pool.build.frontend.warm.plan import WarmPlan
    from pool.build.job import BuildJob, SourceSpec
    from pool.build.source import SourceTree
    from pool.build.workspace import BuildDir
    from pool.sources.pyproject import Project

__all__ = ["Backend"]

_PHASES: dict[Hook, Phase] = {
    "get_requires_for_build_wheel": Phase.GET_REQUIRES,
    "get_requires_for_build_editable": Phase.GET_REQUIRES,
    "prepare_metadata_for_build_wheel": Phase.METADATA,
    "build_wheel": Phase.BUILD,
    "build_editable": Phase.BUILD,
}


class Backend(Record, frozen=True, kw_only=True):
    """The backend that ``[build-system]`` of one source tree names."""

    job: BuildJob
    build_dir: BuildDir
    context: HookContext
    tree: SourceTree
    project: Project

    async def get_requires(self, env: BuildEnvironment) -> Sequence[str]:
        """Call get_requires_for_build_wheel, or its editable form.

        Raises:
            BackendError: the hook failed.
        """
        if self.job.purpose == "editable":
            return await self._run_hook(env, "get_requires_for_build_editable")
        return await self._run_hook(env, "get_requires_for_build_wheel")

    async def prepare_metadata(self, env: BuildEnvironment) -> Path:
        """Call prepare_metadata_for_build_wheel; return the .dist-info folder that it made.

        Raises:
            MissingHookError: the backend does not have this optional hook.
            BackendError: the hook failed.
        """
        name = await self._run_hook(env, "prepare_metadata_for_build_wheel")
        return self.build_dir.wheels / str(name)

    async def build(self, env: BuildEnvironment) -> Path:
        """Call build_wheel or build_editable; return the wheel.

        Raises:
            BackendError: the hook failed.
        """
        hook: Hook = "build_editable" if self.job.purpose == "editable" else "build_wheel"
        name = await self._run_hook(env, hook)
        return self.build_dir.wheels / str(name)

    def _emit_phase(self, phase: Phase) -> None:
        self.context.bus.emit(BuildPhase(build=self.job.id, phase=phase))

    async def _run_hook(self, env: BuildEnvironment, hook: Hook) -> str | Sequence[str]:
        """Run one hook with a job of its own."""
        on_wait = partial(self._emit_phase, Phase.AWAIT_JOB)
        reservation = self.context.jobs.reserve(
            self.job, env, self.build_dir, self.tree.path, on_wait=on_wait
        )
        async with reservation as environ:
            self._emit_phase(_PHASES[hook])
            return await self._run_monitored(self._hook_call(env, hook, environ))

    def _hook_call(self, env: BuildEnvironment, hook: Hook, environ: Mapping[str, str]) -> HookCall:
        return HookCall(
            build=self.job.key,
            tree=self.tree.path,
            python=env.python,
            backend=self.project.backend,
            backend_path=self.project.backend_path,
            hook=hook,
            config_settings=self.job.request.config_settings,
            output=self.build_dir.wheels,
            log=self.job.log,
            fds=(*self.tree.fds, *env.fds),
            environ=environ,
            warm=self._plan_warm_hook(env),
            fix_context=self._fix_context(env),
        )

    def _fix_context(self, env: BuildEnvironment) -> FixContext:
        job, source = self.job, self.job.source
        return FixContext(
            source=_source_kind(source),
            name=job.name,
            version=job.version or "",
            tree=_tree_label(source) if isinstance(source, TreeTarget) else "",
            python=".".join(env.interpreter.version.split(".")[:2]),
            isolated=env.isolated,
        )

    def _plan_warm_hook(self, env: BuildEnvironment) -> WarmPlan | None:
        if not self.context.warm:
            return None
        return plan_warm_hook(env, self.project.backend, self.project.backend_path)

    def prepare(self, env: BuildEnvironment, environ: Mapping[str, str]) -> None:
        """Let a template process import the backend while the environment is made.

        Args:
            env: the environment that will be made.
            environ: the user's environment.
        """
        if (plan := self._plan_warm_hook(env)) is not None:
            self.context.runner.prepare(plan, env.environ(environ))

    def _emit_note(self, text: str) -> None:
        self.context.bus.emit(Note(build=self.job.id, text=text))

    async def _run_monitored(self, call: HookCall) -> str | Sequence[str]:
        """Run one hook while the monitor reads its log and samples its processes."""
        job, monitor = self.job, self.context.monitor
        evidence = OomEvidenceCollector(call.hook)
        on_start = partial(monitor.hook_started, job.key, job.log)
        try:
            result = await self.context.runner.call(
                call, on_start=on_start, on_note=self._emit_note
            )
        except BackendError as problem:
            if isinstance(problem, HookFailedError):
                monitor.note_peak(job.key, problem.ended.peak)
            oom = evidence.oom_error(problem, used=monitor.peak(job.key), machine=monitor.machine)
            (oom or problem).rerun = rerun_command(call)
            if oom is not None:
                raise oom from problem
            raise
        finally:
            monitor.hook_ended(job.key)
        monitor.note_peak(job.key, result.peak)
        return result.value


def _source_kind(source: SourceSpec) -> SourceKind:
    """Return the kind of a source for fixes."""
    match source:
        case TreeTarget():
            return "tree"
        case GitTarget():
            return "git"
        case IndexFile() | RequirementTarget():
            return "index"
        case _:
            return "archive"


def _tree_label(target: TreeTarget) -> str:
    """Return the folder as its user named it; its path if the label is a direct reference."""
    return str(target.path) if "@" in target.label or ":" in target.label else target.label
