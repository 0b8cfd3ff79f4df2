"""A request without dependencies and without an environment: each requirement is one build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.errors import PoolError, system_error
from pool.common.redaction import redact_urls
from pool.events.types import ResolveFailed

if TYPE_CHECKING:
    from pool.build.interfaces import BuildService
    from pool.events.bus import EventBus
    from pool.run.effective_request import EffectiveRequest

__all__ = ["resolve_failed", "submit_requirements"]


def submit_requirements(request: EffectiveRequest, service: BuildService, bus: EventBus) -> bool:
    """Start a build of each requirement; return False, and emit why, if there can be none."""
    try:
        service.submit(request.build_requests())
    except PoolError as problem:
        bus.emit(resolve_failed(problem))
        return False
    except OSError as problem:
        bus.emit(resolve_failed(system_error(problem)))
        return False
    return True


def resolve_failed(problem: PoolError) -> ResolveFailed:
    """Return the event for an error before any build."""
    return ResolveFailed(
        reference=problem.reference,
        message=redact_urls(str(problem)),
        hint=redact_urls(problem.hint),
    )
