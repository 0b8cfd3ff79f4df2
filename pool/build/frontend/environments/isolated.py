"""The isolated environments of one build: shared with other builds, or its own.

A shared one is looked at after each hook. If the build has changed it, as one may that installs
into its environment, the project is noted and has environments of its own from then on; these have
copies of files, because a change of a linked file would be one of the cached wheel. If another
build may have changed it, `EnvironmentChangedError` is raised: the build is repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pool.build.frontend import build_env
from pool.build.frontend.environments.content import read_content
from pool.common.errors import BackendError, EnvironmentChangedError
from pool.common.files import remove_tree
from pool.events.types import Note

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from pool.build.context import BuildContext
    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.frontend.environments.cache import (
        CachedEnvironment,
        EnvironmentCache,
        EnvJudgement,
    )
    from pool.build.frontend.environments.content import EnvChange, EnvContent
    from pool.build.frontend.read_recording import ReadRecording
    from pool.build.job import BuildJob
    from pool.build.workspace import BuildDir
    from pool.cache.unpacked_wheels import UnpackedWheel

__all__ = ["Environments"]

T = TypeVar("T")

_NAMELESS_EDITABLES = ("setuptools", "flit_core", "hatchling", "poetry", "pdm")
"""Backends whose editable wheels do not use the build environment after the build."""


class Environments:
    """Creates the environments of one build; belongs to its task.

    Args:
        job: the build.
        build_dir: the folder for one of its own.
        context: the parts of the run.
        backend: the name of its backend.
        is_repeated: whether the build is repeated because of a changed environment.
    """

    def __init__(
        self,
        job: BuildJob,
        build_dir: BuildDir,
        context: BuildContext,
        *,
        backend: str,
        is_repeated: bool,
    ) -> None:
        self._job = job
        self._build_dir = build_dir
        self._context = context
        self._backend = backend
        self._is_repeated = is_repeated
        self._shared: CachedEnvironment | None = None
        self._own: EnvContent | None = None
        """The content of an environment of a build that is repeated."""

    def plan(self, wheels: Sequence[UnpackedWheel], recording: ReadRecording) -> BuildEnvironment:
        """Return an environment with these wheels that need not exist yet, but for its path."""
        return build_env.BuildEnvironment(
            path=self._build_dir.environment,
            interpreter=self._context.env.interpreter,
            wheels=build_env.sort_wheels(wheels),
            recording=recording,
        )

    async def create(
        self, wheels: Sequence[UnpackedWheel], recording: ReadRecording
    ) -> BuildEnvironment:
        """Return an environment with these wheels, in place of the one before.

        Raises:
            ChangedWheelError: a build has changed a file of a wheel meanwhile.
            PoolError: a wheel would replace files of the environment itself.
            OSError: no space, no permission.
        """
        self.release()
        cache = self._context.env.environments
        return await self._context.in_thread(self._create, cache, wheels, recording)

    def _create(
        self, cache: EnvironmentCache, wheels: Sequence[UnpackedWheel], recording: ReadRecording
    ) -> BuildEnvironment:
        changes_it = self._is_repeated or cache.is_changed_by(self._job.canonical_name)
        if not changes_it and self._may_share():
            shared = cache.acquire(self._context.env.interpreter, wheels)
            if shared is not None:
                self._shared = shared
                recording.prepare()
                return shared.environment(recording)
        path = self._build_dir.environment
        remove_tree(path)
        env = build_env.create(
            path,
            self._context.env.interpreter,
            build_env.sort_wheels(wheels),
            recording,
            copy=changes_it,
        )
        content = read_content(str(path))
        build_env.check_wheels(env, content)
        self._own = content if self._is_repeated else None
        return env

    def _may_share(self) -> bool:
        """Return whether nothing that the build makes uses the environment later."""
        root = self._backend.partition(".")[0]
        return self._job.purpose != "editable" or root in _NAMELESS_EDITABLES

    async def run(self, env: BuildEnvironment, hook: Awaitable[T], *, is_last: bool) -> T:
        """Await a hook, then look at the environment.

        Args:
            env: the environment of the hook, from `create` or not.
            hook: runs the hook.
            is_last: whether no other hook of the build follows.

        Raises:
            EnvironmentChangedError: its result may be that of another build's changes.
        """
        try:
            result = await hook
        except BackendError:
            await self._look(env, files=True)
            raise
        await self._look(env, files=is_last)
        return result

    async def _look(self, env: BuildEnvironment, *, files: bool) -> None:
        if self._shared is not None:
            judgement = await self._context.in_thread(self._shared.judge, files=files)
            if judgement is not None:
                await self._accept(judgement)
        elif self._own is not None:
            find = self._own.find_changed_file
            if change := await self._context.in_thread(find, str(env.path)):
                await self._note_change(change)
                self._own = None

    async def _accept(self, judgement: EnvJudgement) -> None:
        """Accept a change that the build has made itself.

        Raises:
            EnvironmentChangedError: it may be another build's.
        """
        if not judgement.is_own:
            await self._forget_wheels()
            raise EnvironmentChangedError(judgement.change.text)
        await self._note_change(judgement.change)

    async def _forget_wheels(self) -> None:
        """Use no wheel and no template that may have a changed file without comparing it."""
        if self._shared is not None:
            self._context.env.requirements.forget(self._shared.wheels)
            await self._context.in_thread(self._context.hooks.runner.end_templates)

    async def _note_change(self, change: EnvChange) -> None:
        """Note that the project changes its environments."""
        cache = self._context.env.environments
        await self._context.in_thread(cache.note_changed_by, self._job.canonical_name)
        text = (
            f"it has changed its build environment ({change.text}); from now on it is built in"
            " environments that no other build uses"
        )
        self._context.bus.emit(Note(build=self._job.id, text=text))

    def release(self) -> None:
        """End the use of a shared environment."""
        if self._shared is not None:
            self._shared.release()
            self._shared = None
