"""A request narrowed to one interpreter: its builds, and the rules by which versions are selected.

Pure: it depends on the request, the settings and the interpreter alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name

from pool.build.job import BuildRequest
from pool.common.errors import RequirementError
from pool.requirements.target import GitTarget, RequirementTarget, UrlTarget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.requirements import Requirement
    from packaging.version import Version

    from pool.requirements.request import Request, RequirementSpec
    from pool.requirements.target import Target
    from pool.resolve.manifest import DirectDist, InstalledDist, Manifest, RequirementInfo
    from pool.settings import RunSettings
    from pool.system.interpreter import Interpreter

__all__ = ["EffectiveRequest", "url_of"]


class EffectiveRequest:
    """The requirements and constraints of a request whose markers are true.

    Args:
        request: as the user made it.
        settings: the settings of the run.
        interpreter: the target.

    Raises:
        RequirementError: a marker is invalid, or hashes contradict each other.
    """

    def __init__(self, request: Request, settings: RunSettings, interpreter: Interpreter) -> None:
        self._settings = settings
        self._request = request
        environment = interpreter.environment
        specs = dict.fromkeys(request.requirements)
        self._specs = [spec for spec in specs if _applies(spec, environment)]
        self._constraints = tuple(
            one for one in request.constraints if _requirement_applies(one.requirement, environment)
        )
        self.direct = tuple(
            spec for spec in self._specs if not isinstance(spec.target, RequirementTarget)
        )
        """Trees, archives and URLs: requirements that leave no choice of a version."""
        self._by_name: dict[NormalizedName, list[RequirementSpec]] = {}
        for spec in self._specs:
            if isinstance(spec.target, RequirementTarget):
                name = canonicalize_name(spec.target.parsed.name)
                self._by_name.setdefault(name, []).append(spec)
        self.hashes = self._allowed_hashes()
        """By name, the hashes that every source of hashes allows."""

    def __len__(self) -> int:
        return len(self._specs)

    @property
    def named(self) -> frozenset[NormalizedName]:
        """The names that are required by name."""
        return frozenset(self._by_name)

    def build_requests(self) -> list[BuildRequest]:
        """Return a build for each requirement, in the user's order, one for each name."""
        requests: dict[object, BuildRequest] = {}
        for spec in self._specs:
            if isinstance(spec.target, RequirementTarget):
                name = canonicalize_name(spec.target.parsed.name)
                requests.setdefault(name, self._named_build_request(spec, name))
            else:
                requests.setdefault(spec.target, self.build_request(spec))
        return list(requests.values())

    def _named_build_request(self, spec: RequirementSpec, name: NormalizedName) -> BuildRequest:
        requirements = [one for one in self._named_requirements() if one.name == name]
        manifest = self._create_manifest(requirements, deps=False)
        return BuildRequest(
            source=spec.target,
            origin=spec.origin,
            manifest=manifest,
            hashes=manifest.hashes.get(name, frozenset()),
            config_settings=self.config_settings(name),
        )

    def build_request(self, spec: RequirementSpec) -> BuildRequest:
        """Return the build of a direct target."""
        editable = spec.editable and self._settings.installs_into
        return BuildRequest(
            source=spec.target,
            purpose="editable" if editable else "wheel",
            origin=spec.origin,
            hashes=self._direct_hashes(spec),
            config_settings={**self._settings.config_settings, **spec.config_settings},
        )

    def _direct_hashes(self, spec: RequirementSpec) -> frozenset[str]:
        """Return the hashes of a direct target; a constraint can give them as well."""
        constrained = self.hashes.get(spec.hash_name) if spec.hash_name else None
        if not spec.hashes or not constrained:
            return spec.hashes or constrained or frozenset()
        if not spec.hashes & constrained:
            raise _contradiction(spec.hash_name or "")
        return spec.hashes & constrained

    def manifest(
        self,
        directs: Mapping[RequirementSpec, DirectDist],
        installed: Mapping[NormalizedName, InstalledDist],
        preferred: Mapping[NormalizedName, Version],
    ) -> Manifest:
        """Return the input of a resolution.

        Args:
            directs: the distributions of the direct targets.
            installed: the distributions that the environment has.
            preferred: the versions that an earlier resolution of this run selected.
        """
        direct = [_direct_requirement(spec, dist) for spec, dist in directs.items()]
        requirements = [*direct, *self._named_requirements()]
        upgraded = {one.name for one in requirements} if self._settings.upgrade else set()
        return self._create_manifest(
            requirements,
            deps=self._settings.deps,
            installed={name: one for name, one in installed.items() if name not in upgraded},
            preferred=preferred,
        )

    def _named_requirements(self) -> list[RequirementInfo]:
        from pool.resolve.manifest import RequirementInfo

        return [
            RequirementInfo(spec.target.parsed, _required_by(spec))
            for spec in self._specs
            if isinstance(spec.target, RequirementTarget)
        ]

    def _create_manifest(
        self,
        requirements: Iterable[RequirementInfo],
        *,
        deps: bool,
        installed: Mapping[NormalizedName, InstalledDist] | None = None,
        preferred: Mapping[NormalizedName, Version] | None = None,
    ) -> Manifest:
        from pool.resolve.manifest import Manifest

        return Manifest(
            requirements=tuple(requirements),
            deps=deps,
            constraints=self._constraints,
            formats=self._request.formats,
            pre=self._request.pre,
            # `wheelpool build` builds the named projects, even if their wheels are on the index.
            from_source=frozenset() if self._settings.installs_into else self.named,
            files={
                name: spec.files
                for name, specs in self._by_name.items()
                for spec in specs
                if spec.files
            },
            hashes=self.hashes,
            require_hashes=self._request.require_hashes,
            installed=installed or {},
            preferred=preferred or {},
        )

    def _allowed_hashes(self) -> dict[NormalizedName, frozenset[str]]:
        allowed: dict[NormalizedName, frozenset[str]] = {}
        for name, hashes in self._required_hashes():
            allowed[name] = allowed.get(name, hashes) & hashes
            if not allowed[name]:
                # An empty set would allow any file.
                raise _contradiction(name)
        return allowed

    def _required_hashes(self) -> Iterator[tuple[NormalizedName, frozenset[str]]]:
        for name, specs in self._by_name.items():
            yield from ((name, spec.hashes) for spec in specs if spec.hashes)
        for one in self._constraints:
            if one.hashes:
                yield canonicalize_name(one.requirement.name), one.hashes

    def config_settings(self, name: NormalizedName) -> dict[str, str | list[str]]:
        """Return the config settings for a project.

        Like pip and uv, only projects that the user named get them, not their dependencies.
        """
        if name not in self._by_name:
            return {}
        settings = dict(self._settings.config_settings)
        for spec in self._by_name[name]:
            settings |= spec.config_settings
        return settings

    def origin(self, name: NormalizedName) -> str:
        """Return the file and line that require a name; empty for dependencies."""
        return next((spec.origin for spec in self._by_name.get(name, ())), "")


def _contradiction(name: str) -> RequirementError:
    return RequirementError(
        f"{name}: the required hashes contradict each other",
        hint="every requirement and constraint with hashes must allow the file",
    )


def url_of(target: Target) -> str:
    """Return the URL by which requirements refer to a direct target."""
    match target:
        case UrlTarget(url=url):
            return url
        case GitTarget(url=url, reference=reference, subdirectory=subdirectory):
            return f"git+{url}@{reference or 'HEAD'}#subdirectory={subdirectory}"
        case RequirementTarget():
            raise TypeError(target)
        case _:
            return target.path.as_uri()


def _applies(spec: RequirementSpec, environment: Mapping[str, str]) -> bool:
    """Return whether the markers of a requirement are true."""
    if isinstance(spec.target, RequirementTarget) and not _requirement_applies(
        spec.target.parsed, environment
    ):
        return False
    if spec.marker is None:
        return True
    from pool.requirements.markers import marker_applies

    return marker_applies(spec.marker, environment, [""], spec.origin)


def _requirement_applies(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    from pool.requirements.markers import requirement_applies

    return requirement_applies(requirement, environment)


def _required_by(spec: RequirementSpec) -> str:
    return f"{spec.origin} requires" if spec.origin else "you requested"


def _direct_requirement(spec: RequirementSpec, dist: DirectDist) -> RequirementInfo:
    from packaging.requirements import Requirement

    from pool.resolve.manifest import RequirementInfo

    extras = f"[{','.join(sorted(spec.extras))}]" if spec.extras else ""
    requirement = Requirement(f"{dist.name}{extras} @ {dist.url}")
    return RequirementInfo(requirement, _required_by(spec))
