"""What one run is asked for, from names to wheels, or to an environment with all of it.

The engine builds; this decides what. Without dependencies every wish is a build of its own. With
them, what the user points at is built at once, versions for all the rest are looked for
together, and what was chosen is fetched or built. An environment gets all of it in one go, and
nothing if something is missing; only what others are built with, without isolation, goes before.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pool.errors import InstallError, PoolError
from pool.events.vocabulary import (
    EnvironmentFailed,
    ResolveFailed,
    ResolveFinished,
    ResolveProgress,
    ResolveStarted,
)
from pool.failure import SkippedError, in_words
from pool.finder import ClosureFinder, described, static_metadata
from pool.furnishing import Piece, StaleError
from pool.job import Order
from pool.search import first_of, side_by_side
from pool.sources.asked import Direct, Kept
from pool.sources.page import IndexFile
from pool.sources.picks import picks
from pool.sources.resolver import Resolution, build_needs
from pool.sources.secret import masked
from pool.wishlist import url_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.utils import NormalizedName

    from pool.backend.environment import BuildEnvironment
    from pool.crew import Crew
    from pool.furnishing import Furnishing
    from pool.job import Job
    from pool.kit import Kit
    from pool.sources.asked import Choice
    from pool.sources.request import Wish
    from pool.wishlist import Wishlist

__all__ = ["Errand"]

_BETWEEN_SECONDS = 0.25
_TRIES = 5
"""So often is a set made anew because the environment was changed by others meanwhile."""


@dataclass(frozen=True, slots=True)
class _Provided:
    """The build that provides a choice."""

    origin: str
    """A file's name, or a URL."""
    job: Job


class Errand:
    """One request on its way; belongs to the engine's loop.

    Args:
        wishlist: what was asked for.
        environment: where builds without isolation run.
    """

    def __init__(self, wishlist: Wishlist, environment: BuildEnvironment) -> None:
        self._wishlist = wishlist
        self.environment = environment
        self._directs: dict[Wish, Direct] = {}
        self._vague: dict[Wish, Job] = {}
        """What is pointed at and can tell what it requires only when it is built."""
        self._resolution = Resolution(choices=())
        self._guesses: dict[NormalizedName, Job] = {}
        """What was chosen without knowing what it requires; its build will tell."""
        self._rounds = 0
        """How often versions were found."""
        self._news = asyncio.Event()
        """Set when they are found once more, or will not be; then there is another one."""
        self._over = False
        self._provided: dict[NormalizedName, _Provided] = {}
        self._bringing = asyncio.Lock()
        self._resolving = False
        self._told = 0.0

    def begin(self, kit: Kit, crew: Crew, furnishing: Furnishing | None) -> None:
        """Get to know what it works with; once, before `run`.

        Args:
            kit: what builds stand on.
            crew: those who build.
            furnishing: the environment to fill; None where wheels are the aim.
        """
        self._kit = kit
        self._crew = crew
        self._furnishing = furnishing
        self._finder = ClosureFinder(kit, crew, self._wishlist)

    async def run(self) -> bool:
        """Do it; return whether all went well, apart from builds that failed."""
        try:
            await self._done()
        except PoolError as problem:
            self._tell(problem)
            return False
        except OSError as problem:
            self._tell(in_words(problem))
            return False
        except asyncio.CancelledError:
            if self._furnishing is not None and not self._is_done(self._furnishing):
                self._tell(InstallError("the run was ended"))
            raise
        finally:
            self._over = True
            self._tell_waiting()
        return True

    def _tell(self, problem: PoolError) -> None:
        """Say that versions cannot be found, or that the environment stays as it was."""
        message, hint = masked(str(problem)), masked(problem.hint)
        if self._furnishing is None or not self._rounds:
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

    async def _done(self) -> None:
        if self._furnishing is not None:
            await self._furnishing.mend()
        elif not self._kit.settings.deps:
            self._crew.submit(self._wishlist.orders())
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
        wishes = self._wishlist.pointed
        jobs = self._crew.submit([self._wishlist.order(wish) for wish in wishes])
        pairs = zip(wishes, jobs, strict=True)
        await side_by_side(*(self._learn(wish, job) for wish, job in pairs))

    async def _learn(self, wish: Wish, job: Job) -> None:
        url = url_of(wish.target)
        text = await self._kit.in_thread(static_metadata, wish.target)
        if text is None and not self._kit.settings.isolates(job.key):
            # Its backend may need what this run has yet to install: it is asked afterwards.
            self._vague[wish] = job
            version = job.version or "0"
            unknown = Direct(url=url, name=job.key, version=version, metadata="", known=False)
            self._point(wish, unknown, job)
        else:
            text = text or (await self._crew.good(job)).metadata
            self._point(wish, described(url, text), job)

    def _point(self, wish: Wish, direct: Direct, job: Job) -> None:
        self._directs[wish] = self._kit.search.facts.directs[direct.url] = direct
        self._provided[direct.name] = _Provided(direct.url, job)

    async def _settle(self) -> None:
        """Find versions and have them built or fetched, until nothing more turns up."""
        while True:
            await self._resolve()
            self._provide()
            if not self._guesses:
                return
            # Not all of them: one may be waiting for what another one requires.
            await first_of(*(self._hear(name, job) for name, job in self._guesses.items()))

    async def _resolve(self) -> None:
        kept = await self._furnishing.kept() if self._furnishing is not None else {}
        before = {choice.name: choice.version for choice in self._resolution.choices}
        asked = self._wishlist.asked(self._directs, kept, before)
        self._kit.bus.emit(ResolveStarted(requirements=tuple(map(str, asked.needs))))
        search, self._resolving = self._kit.search, True
        try:
            self._resolution = await search.find(asked, self._finder)
        finally:
            self._resolving = False
        picked = picks(self._resolution, asked, search.facts, self._kit.interpreter)
        self._kit.bus.emit(ResolveFinished(picked=picked))

    def _provide(self) -> None:
        """Have every choice built or fetched that is not yet."""
        fresh = [choice for choice in self._resolution.choices if self._is_fresh(choice)]
        jobs = self._crew.submit([self._order(choice) for choice in fresh])
        for choice, job in zip(fresh, jobs, strict=True):
            self._provided[choice.name] = _Provided(_origin(choice), job)
        for choice in self._resolution.choices:
            if (pointed_at := self._finder.pointed_at.get(_origin(choice))) is not None:
                self._provided[choice.name] = _Provided(_origin(choice), pointed_at)
        self._guesses = self._guessed()
        self._rounds += 1
        self._tell_waiting()

    def _guessed(self) -> dict[NormalizedName, Job]:
        later = self._finder.later.keys()
        chosen = (choice.name for choice in self._resolution.choices)
        known = {name: self._provided[name] for name in chosen if name in self._provided}
        unread = {name: one.job for name, one in known.items() if one.origin in later}
        return unread | {job.key: job for job in self._vague.values()}

    def _tell_waiting(self) -> None:
        """Wake those who wait for versions."""
        self._news.set()
        self._news = asyncio.Event()

    def _is_fresh(self, choice: Choice) -> bool:
        known = self._provided.get(choice.name)
        return isinstance(choice.origin, IndexFile) and (
            known is None or known.origin != choice.origin.filename
        )

    def _order(self, choice: Choice) -> Order:
        if not isinstance(choice.origin, IndexFile):
            raise TypeError(choice.origin)
        return Order(
            source=choice.origin,
            origin=self._wishlist.origin(choice.name),
            hashes=self._wishlist.hashes.get(choice.name, frozenset()),
            config_settings=self._wishlist.config_settings(choice.name),
        )

    async def _hear(self, name: NormalizedName, job: Job) -> None:
        """Take in what a build tells of something that was chosen without knowing it."""
        built = await self._crew.good(job)
        for wish in [wish for wish, vague in self._vague.items() if vague is job]:
            self._point(wish, described(url_of(wish.target), built.metadata), job)
            del self._vague[wish]
        filename = self._provided[name].origin
        if self._finder.later.pop(filename, None):
            self._kit.search.facts.metadata[filename] = built.metadata

    # The environment

    async def _furnish(self, furnishing: Furnishing) -> None:
        """Put all that was chosen in place, but for what is there already."""
        origins = [choice.origin for choice in self._resolution.choices]
        kept = [origin for origin in origins if isinstance(origin, Kept)]
        fresh = self._fresh()
        await self._pieces(fresh)
        # What builds without isolation needed was put there in the meantime.
        pieces = await self._pieces(self._unplaced(fresh, furnishing))
        await furnishing.put(pieces, {one.name: one.version for one in kept})

    def _fresh(self) -> list[NormalizedName]:
        """Return what was chosen and is not kept as it is."""
        choices = self._resolution.choices
        return [choice.name for choice in choices if not isinstance(choice.origin, Kept)]

    def _is_done(self, furnishing: Furnishing) -> bool:
        """Tell whether all that was chosen is in place, and nothing else can turn up."""
        settled = self._rounds and not self._guesses
        return bool(settled and not self._unplaced(self._fresh(), furnishing))

    def _unplaced(
        self, names: Iterable[NormalizedName], furnishing: Furnishing
    ) -> list[NormalizedName]:
        """Return those of which this run has not put in place what was chosen."""
        chosen = {choice.name: str(choice.version) for choice in self._resolution.choices}
        placed = furnishing.placed
        return [
            name
            for name in names
            if name not in placed or placed[name] != chosen.get(name, placed[name])
        ]

    async def _pieces(self, names: Iterable[NormalizedName]) -> list[Piece]:
        """Return what builds have made; what others need comes first.

        Raises:
            PoolError: one of them failed, so there is nothing to put in place.
        """
        named = self._wishlist.named | {direct.name for direct in self._directs.values()}
        pieces = []
        for name in names:
            built = await self._crew.good(self._provided[name].job)
            pieces.append(Piece(built=built, requested=name in named))
        return pieces

    # Builds without isolation

    def has(self, requires: Sequence[str], job: Job) -> bool:
        """Tell whether all that this run provides of build requirements is in place."""
        if self._furnishing is None:
            return True
        return not (self._waits_for_versions(job) or self._lacking(requires, job))

    def _waits_for_versions(self, job: Job, after: int = 0) -> bool:
        return self._rounds <= after and not self._is_pointed_at(job)

    def _is_pointed_at(self, job: Job) -> bool:
        """Tell whether it is built, or built again, to find versions."""
        return any(one.order is job.order for one in self._finder.pointed_at.values())

    def _lacking(self, requires: Sequence[str], job: Job) -> list[NormalizedName]:
        """Return what this run provides for a build, and has not put in place."""
        if self._furnishing is None:
            return []
        wanted = {need.name for need in build_needs(requires, self._kit.interpreter)}
        mine = wanted & self._provided.keys() - {job.key}
        closure = set(self._resolution.closure(mine) & self._provided.keys() - {job.key})
        if self._is_pointed_at(job):
            # Versions wait for it, so it must not wait for who waits for versions.
            closure = {n for n in closure if self._kit.settings.isolates(self._provided[n].job.key)}
        return sorted(self._unplaced(closure, self._furnishing))

    async def bring(self, requires: Sequence[str], job: Job) -> None:
        """Put what a build without isolation is built with in place before it begins.

        Raises:
            PoolError: it cannot be had, or needs the build in turn.
        """
        await self._until_versions(job)
        while lacking := self._lacking(requires, job):
            rounds, made = self._rounds, {name: self._provided[name] for name in lacking}
            for provided in made.values():
                await self._crew.awaited(provided.job, job)
            if not self._guesses.keys().isdisjoint(lacking):
                await self._until_versions(job, after=rounds)
            elif await self._brought(requires, job, made):
                return

    async def _brought(
        self, requires: Sequence[str], job: Job, made: Mapping[NormalizedName, _Provided]
    ) -> bool:
        """Put what is made in place; return whether that was still what is lacking."""
        async with self._bringing:
            names = self._lacking(requires, job)
            # Nobody waits for a build in here: that build may want to come in, too.
            if any(made.get(name) != self._provided[name] for name in names):
                return False
            if names and self._furnishing is not None:
                await self._furnishing.put(await self._pieces(names), {})
            return True

    async def _until_versions(self, job: Job, after: int = 0) -> None:
        """Wait until versions were found, or found once more.

        Raises:
            SkippedError: they will not be.
        """
        while self._waits_for_versions(job, after):
            if self._over:
                raise SkippedError("what it is built with will not be there")
            await self._news.wait()


def _origin(choice: Choice) -> str:
    """Return a file's name or a URL; empty for what is there already."""
    match choice.origin:
        case IndexFile(filename=filename):
            return filename
        case Direct(url=url):
            return url
        case _:
            return ""
