"""What one run is asked for, from names to wheels, or to an environment with all of it.

The engine builds; this decides what. Without dependencies every wish is a build of its own. With
them, what the user points at is built at once, versions for all the rest are looked for
together, and what was chosen is fetched or built. An environment gets all of it in one go, and
nothing if something is missing; what others are built with, without isolation, goes before
(`pool.run.shared_env`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from pool.build.job import BuildRequest
from pool.common.aio import gather_first_error, run_until_first
from pool.common.errors import InstallError, PoolError, system_error
from pool.common.redaction import redact_urls
from pool.events.types import (
    EnvironmentFailed,
    ResolveFailed,
    ResolveFinished,
    ResolveProgress,
    ResolveStarted,
)
from pool.resolve.explain import explain_selection
from pool.resolve.manifest import DirectDist
from pool.run.effective_request import url_of
from pool.run.installer import StaleError
from pool.run.metadata import described, static_metadata
from pool.run.selection import Provided
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

    from pool.build.context import BuildContext
    from pool.build.job import BuildJob
    from pool.requirements.request import RequirementSpec
    from pool.resolve.manifest import Candidate
    from pool.run.effective_request import EffectiveRequest
    from pool.run.installer import Installer
    from pool.run.interfaces import BuildService
    from pool.run.metadata import MetadataFetcher
    from pool.run.selection import Selection

__all__ = ["RequestRunner"]

_BETWEEN_SECONDS = 0.25
_TRIES = 5
"""So often is a set made anew because the environment was changed by others meanwhile."""


class RequestRunner:
    """One request on its way; belongs to the engine's loop.

    Args:
        wishlist: what was asked for.
        chosen: what is chosen of it; filled here.
    """

    def __init__(self, wishlist: EffectiveRequest, chosen: Selection) -> None:
        self._wishlist = wishlist
        self._chosen = chosen
        self._directs: dict[RequirementSpec, DirectDist] = {}
        self._unknown_metadata: dict[RequirementSpec, BuildJob] = {}
        """What is pointed at and can tell what it requires only when it is built."""
        self._resolving = False
        self._told = 0.0

    def begin(
        self,
        kit: BuildContext,
        crew: BuildService,
        finder: MetadataFetcher,
        furnishing: Installer | None,
    ) -> None:
        """Get to know what it works with; once, before `run`.

        Args:
            kit: what builds stand on.
            crew: those who build.
            finder: what has the metadata of versions.
            furnishing: the environment to fill; None where wheels are the aim.
        """
        self._kit = kit
        self._crew = crew
        self._finder = finder
        self._furnishing = furnishing

    async def run(self) -> bool:
        """Do it; return whether all went well, apart from builds that failed."""
        try:
            await self._run_request()
        except PoolError as problem:
            self._tell(problem)
            return False
        except OSError as problem:
            self._tell(system_error(problem))
            return False
        except asyncio.CancelledError:
            if self._furnishing is not None and not self._is_done(self._furnishing):
                self._tell(InstallError("the run was ended"))
            raise
        finally:
            self._chosen.close()
        return True

    def _tell(self, problem: PoolError) -> None:
        """Say that versions cannot be found, or that the environment stays as it was."""
        message, hint = redact_urls(str(problem)), redact_urls(problem.hint)
        if self._furnishing is None or not self._chosen.rounds:
            self._kit.bus.emit(
                ResolveFailed(reference=problem.reference, message=message, hint=hint)
            )
        else:
            failed = EnvironmentFailed(
                environment=str(self._furnishing.path),
                reference=problem.reference,
                message=message,
                hint=hint,
            )
            self._kit.bus.emit(failed)

    async def _run_request(self) -> None:
        if self._furnishing is not None:
            await self._furnishing.recover()
        elif not self._kit.settings.deps:
            self._crew.submit(self._wishlist.build_requests())
            return
        await self._begin()
        for _ in range(_TRIES):
            await self._settle()
            if self._furnishing is None:
                return
            with suppress(StaleError):
                await self._furnish(self._furnishing)
                return
        raise InstallError("others changed the environment again and again meanwhile")

    # Versions

    def on_page(self, pages: int) -> None:
        """Tell how many pages are known, while versions are looked for, a few times a second."""
        if self._resolving and (now := self._kit.bus.elapsed) >= self._told + _BETWEEN_SECONDS:
            self._told = now
            self._kit.bus.emit(ResolveProgress(pages=pages))

    async def _begin(self) -> None:
        """Build what the user points at, and find out what it requires."""
        wishes = self._wishlist.direct
        jobs = self._crew.submit([self._wishlist.build_request(wish) for wish in wishes])
        pairs = zip(wishes, jobs, strict=True)
        await gather_first_error(*(self._learn(wish, job) for wish, job in pairs))

    async def _learn(self, wish: RequirementSpec, job: BuildJob) -> None:
        url = url_of(wish.target)
        text = await self._kit.in_thread(static_metadata, wish.target)
        if text is None and not self._kit.settings.isolates(job.key):
            # Its backend may need what this run has yet to install: it is asked afterwards.
            self._unknown_metadata[wish] = job
            version = job.version or "0"
            unknown = DirectDist(
                url=url, name=job.key, version=version, metadata="", metadata_known=False
            )
            self._point(wish, unknown, job)
        else:
            text = text or (await self._crew.result_of(job)).metadata
            self._point(wish, described(url, text), job)

    def _point(self, wish: RequirementSpec, direct: DirectDist, job: BuildJob) -> None:
        self._directs[wish] = self._kit.search.store.directs[direct.url] = direct
        self._chosen.provided[direct.name] = Provided(direct.url, job)
        self._chosen.named.add(direct.name)

    async def _settle(self) -> None:
        """Find versions and have them built or fetched, until nothing more turns up."""
        while True:
            await self._resolve()
            self._provide()
            if not (guesses := self._chosen.unresolved):
                return
            # Not all of them: one may be waiting for what another one requires.
            await run_until_first(
                *(self._learn_metadata(name, job) for name, job in guesses.items())
            )

    async def _resolve(self) -> None:
        kept = await self._furnishing.kept() if self._furnishing is not None else {}
        before = {choice.name: choice.version for choice in self._chosen.resolution.candidates}
        asked = self._wishlist.asked(self._directs, kept, before)
        self._kit.bus.emit(ResolveStarted(requirements=tuple(map(str, asked.requirements))))
        search, self._resolving = self._kit.search, True
        try:
            self._chosen.resolution = await search.resolve(asked, self._finder)
        finally:
            self._resolving = False
        picked = explain_selection(
            self._chosen.resolution, asked, search.store, self._kit.interpreter
        )
        self._kit.bus.emit(ResolveFinished(picked=picked))

    def _provide(self) -> None:
        """Have every choice built or fetched that is not yet."""
        fresh = [choice for choice in self._chosen.resolution.candidates if self._is_fresh(choice)]
        jobs = self._crew.submit([self._order(choice) for choice in fresh])
        for choice, job in zip(fresh, jobs, strict=True):
            self._chosen.provided[choice.name] = Provided(_origin(choice), job)
        for choice in self._chosen.resolution.candidates:
            if (pointed_at := self._finder.pointed_at.get(_origin(choice))) is not None:
                self._chosen.provided[choice.name] = Provided(_origin(choice), pointed_at)
        self._chosen.found(self._guessed())

    def _guessed(self) -> dict[NormalizedName, BuildJob]:
        later = self._finder.later.keys()
        provided = self._chosen.provided
        chosen = [one.name for one in self._chosen.resolution.candidates if one.name in provided]
        unread = {n: provided[n].job for n in chosen if provided[n].origin in later}
        return unread | {job.key: job for job in self._unknown_metadata.values()}

    def _is_fresh(self, choice: Candidate) -> bool:
        known = self._chosen.provided.get(choice.name)
        return isinstance(choice.origin, IndexFile) and (
            known is None or known.origin != choice.origin.filename
        )

    def _order(self, choice: Candidate) -> BuildRequest:
        if not isinstance(choice.origin, IndexFile):
            raise TypeError(choice.origin)
        return BuildRequest(
            source=choice.origin,
            origin=self._wishlist.origin(choice.name),
            hashes=self._wishlist.hashes.get(choice.name, frozenset()),
            config_settings=self._wishlist.config_settings(choice.name),
        )

    async def _learn_metadata(self, name: NormalizedName, job: BuildJob) -> None:
        """Take in what a build tells of something that was chosen without knowing it."""
        built = await self._crew.result_of(job)
        for wish in [wish for wish, vague in self._unknown_metadata.items() if vague is job]:
            self._point(wish, described(url_of(wish.target), built.metadata), job)
            del self._unknown_metadata[wish]
        filename = self._chosen.provided[name].origin
        if self._finder.later.pop(filename, None):
            self._kit.search.store.metadata[filename] = built.metadata

    # The environment

    async def _furnish(self, furnishing: Installer) -> None:
        """Put all that was chosen in place, but for what is there already."""
        chosen = self._chosen
        kept, fresh = chosen.kept, chosen.fresh
        await chosen.pieces(fresh, self._crew)
        # What builds without isolation needed was put there in the meantime.
        unplaced = chosen.unplaced(fresh, furnishing.placed)
        pieces = await chosen.pieces(unplaced, self._crew)
        await furnishing.install(pieces, {name: one.version for name, one in kept.items()})

    def _is_done(self, furnishing: Installer) -> bool:
        """Tell whether all that was chosen is in place, and nothing else can turn up."""
        chosen = self._chosen
        settled = chosen.rounds and not chosen.unresolved
        return bool(settled and not chosen.unplaced(chosen.fresh, furnishing.placed))


def _origin(choice: Candidate) -> str:
    """Return a file's name or a URL; empty for what is there already."""
    match choice.origin:
        case IndexFile(filename=filename):
            return filename
        case DirectDist(url=url):
            return url
        case _:
            return ""
