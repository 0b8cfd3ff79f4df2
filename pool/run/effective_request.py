"""A request as the pool works on it: what is built, what is chosen, and by which rules.

Pure: it depends on the request, the settings and the interpreter alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from pool.build.job import BuildRequest
from pool.common.errors import RequirementError
from pool.requirements.markers import marker_applies, requirement_applies
from pool.requirements.target import GitTarget, RequirementTarget, UrlTarget
from pool.resolve.manifest import Manifest, RequirementInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.version import Version

    from pool.requirements.request import Request, RequirementSpec
    from pool.requirements.target import Target
    from pool.resolve.manifest import DirectDist, InstalledDist
    from pool.settings import RunSettings
    from pool.system.interpreter import Interpreter

__all__ = ["EffectiveRequest", "url_of"]


class EffectiveRequest:
    """What of a request counts for one interpreter.

    Raises:
        RequirementError: a marker without meaning; hashes that contradict each other.
    """

    def __init__(self, request: Request, settings: RunSettings, interpreter: Interpreter) -> None:
        self._settings = settings
        self._request = request
        environment = interpreter.environment
        wishes = dict.fromkeys(request.requirements)
        self._wishes = [wish for wish in wishes if _counts(wish, environment)]
        self._constraints = tuple(
            one for one in request.constraints if requirement_applies(one.requirement, environment)
        )
        self.direct = tuple(w for w in self._wishes if not isinstance(w.target, RequirementTarget))
        """Trees, archives, URLs: what leaves no choice."""
        self._by_name: dict[NormalizedName, list[RequirementSpec]] = {}
        for wish in self._wishes:
            if isinstance(wish.target, RequirementTarget):
                name = canonicalize_name(wish.target.parsed.name)
                self._by_name.setdefault(name, []).append(wish)
        self.hashes = self._allowed()
        """What the files of names must have; where two wishes tell, what both allow."""

    def __len__(self) -> int:
        return len(self._wishes)

    @property
    def named(self) -> frozenset[NormalizedName]:
        """The names among the wishes."""
        return frozenset(self._by_name)

    def _needs(self) -> list[RequirementInfo]:
        return [
            RequirementInfo(wish.target.parsed, _asks(wish))
            for wish in self._wishes
            if isinstance(wish.target, RequirementTarget)
        ]

    def build_requests(self) -> list[BuildRequest]:
        """Return a build for every wish, in the user's order; of one name there is one."""
        orders: dict[object, BuildRequest] = {}
        for wish in self._wishes:
            if isinstance(wish.target, RequirementTarget):
                name = canonicalize_name(wish.target.parsed.name)
                orders.setdefault(name, self._of_name(wish, name))
            else:
                orders.setdefault(wish.target, self.build_request(wish))
        return list(orders.values())

    def _of_name(self, wish: RequirementSpec, name: NormalizedName) -> BuildRequest:
        needs = [need for need in self._needs() if need.name == name]
        asked = self._make_manifest(needs, deps=False)
        return BuildRequest(
            source=wish.target,
            origin=wish.origin,
            manifest=asked,
            hashes=asked.hashes.get(name, frozenset()),
            config_settings=self.config_settings(name),
        )

    def build_request(self, wish: RequirementSpec) -> BuildRequest:
        """Return the build of something that is pointed at."""
        editable = wish.editable and self._settings.installs_into
        return BuildRequest(
            source=wish.target,
            purpose="editable" if editable else "wheel",
            origin=wish.origin,
            hashes=wish.hashes,
            config_settings={**self._settings.config_settings, **wish.config_settings},
        )

    def manifest(
        self,
        directs: Mapping[RequirementSpec, DirectDist],
        kept: Mapping[NormalizedName, InstalledDist],
        preferred: Mapping[NormalizedName, Version],
    ) -> Manifest:
        """Return what versions have to satisfy.

        Args:
            directs: what is known of all that is pointed at.
            kept: what the environment has.
            preferred: what was chosen before.
        """
        pointed = [_pointed(wish, direct) for wish, direct in directs.items()]
        needs = [*pointed, *self._needs()]
        given_up = {need.name for need in needs} if self._settings.upgrade else set()
        return self._make_manifest(
            needs,
            deps=self._settings.deps,
            kept={name: one for name, one in kept.items() if name not in given_up},
            preferred=preferred,
        )

    def _make_manifest(
        self,
        needs: Iterable[RequirementInfo],
        *,
        deps: bool,
        kept: Mapping[NormalizedName, InstalledDist] | None = None,
        preferred: Mapping[NormalizedName, Version] | None = None,
    ) -> Manifest:
        return Manifest(
            requirements=tuple(needs),
            deps=deps,
            constraints=self._constraints,
            formats=self._request.formats,
            pre=self._request.pre,
            # What is asked for by name is what somebody wants built.
            from_source=frozenset() if self._settings.installs_into else self.named,
            files={
                name: wish.files
                for name, wishes in self._by_name.items()
                for wish in wishes
                if wish.files
            },
            hashes=self.hashes,
            require_hashes=self._request.require_hashes,
            installed=kept or {},
            preferred=preferred or {},
        )

    def _allowed(self) -> dict[NormalizedName, frozenset[str]]:
        hashes: dict[NormalizedName, frozenset[str]] = {}
        for name, demanded in self._demands():
            hashes[name] = hashes.get(name, demanded) & demanded
            if not hashes[name]:
                # None at all would mean that any file is good.
                raise RequirementError(
                    f"{name}: the hashes that are demanded of it contradict each other",
                    hint="of two places that name its hashes, both must allow the file",
                )
        return hashes

    def _demands(self) -> Iterator[tuple[NormalizedName, frozenset[str]]]:
        for name, wishes in self._by_name.items():
            yield from ((name, wish.hashes) for wish in wishes if wish.hashes)
        for one in self._constraints:
            if one.hashes:
                yield canonicalize_name(one.requirement.name), one.hashes

    def config_settings(self, name: NormalizedName) -> dict[str, str | list[str]]:
        """Return what was said for the backend of a name; what nobody named gets nothing.

        So have it pip and uv: what only others require is built as it is everywhere.
        """
        if name not in self._by_name:
            return {}
        said = dict(self._settings.config_settings)
        for wish in self._by_name[name]:
            said |= wish.config_settings
        return said

    def origin(self, name: NormalizedName) -> str:
        """Return where a name was asked for; empty for what only others need."""
        return next((wish.origin for wish in self._by_name.get(name, ())), "")


def url_of(target: Target) -> str:
    """Return how requirements call what a user points at."""
    match target:
        case UrlTarget(url=url):
            return url
        case GitTarget(url=url, reference=reference, subdirectory=subdirectory):
            return f"git+{url}@{reference or 'HEAD'}#subdirectory={subdirectory}"
        case RequirementTarget():
            raise TypeError(target)
        case _:
            return target.path.as_uri()


def _counts(wish: RequirementSpec, environment: Mapping[str, str]) -> bool:
    if isinstance(wish.target, RequirementTarget) and not requirement_applies(
        wish.target.parsed, environment
    ):
        return False
    return marker_applies(wish.marker, environment, [""], wish.origin)


def _asks(wish: RequirementSpec) -> str:
    return f"{wish.origin} asks for" if wish.origin else "you asked for"


def _pointed(wish: RequirementSpec, direct: DirectDist) -> RequirementInfo:
    extras = f"[{','.join(sorted(wish.extras))}]" if wish.extras else ""
    return RequirementInfo(Requirement(f"{direct.name}{extras} @ {direct.url}"), _asks(wish))
