"""Which builds can be retried, and how the requested builds have ended."""

from __future__ import annotations

import pool
from pool import events as v
from pool.common.model import BuildId, Outcome
from pool.events.queries import count_outcomes, find_retryable, has_failed

A, B, C, D = (BuildId(name) for name in ("b1", "b2", "b3", "b4"))


def state_of(*events: v.KnownEvent) -> pool.RunState:
    state = pool.RunState()
    pool.apply_all(state, events)
    return state


def queued(build: BuildId, *, needed_by: tuple[BuildId, ...] = (), retry_of: BuildId | None = None) -> v.BuildQueued:  # fmt: skip
    return v.BuildQueued(
        build=build,
        name=f"n-{build}",
        target="t",
        log=f"{build}.log",
        needed_by=needed_by,
        nested=bool(needed_by),
        retry_of=retry_of,
    )


def ended(build: BuildId, outcome: Outcome) -> v.BuildFinished:
    return v.BuildFinished(build=build, outcome=outcome)


def test_failed_build_is_retryable_until_it_is_retried() -> None:
    events: list[v.KnownEvent] = [queued(A), ended(A, Outcome.FAILED)]
    assert find_retryable(state_of(*events), A) == [A]
    state = state_of(*events, queued(B, retry_of=A))
    assert find_retryable(state, A) == []
    assert not has_failed(state.builds[A])
    assert find_retryable(state, B) == []


def test_built_and_running_builds_are_not_retryable() -> None:
    state = state_of(queued(A), ended(A, Outcome.BUILT), queued(B))
    assert find_retryable(state, A) == find_retryable(state, B) == []


def test_nested_build_leads_to_the_requested_builds_that_failed_for_it() -> None:
    state = state_of(
        queued(A),
        queued(B),
        queued(C, needed_by=(A, B)),
        queued(D, needed_by=(C,)),
        ended(D, Outcome.FAILED),
        ended(C, Outcome.SKIPPED),
        ended(A, Outcome.SKIPPED),
        ended(B, Outcome.CANCELLED),
    )
    assert find_retryable(state, D) == [A, B]


def test_totals_count_last_attempts_of_requested_builds() -> None:
    state = state_of(
        queued(A),
        ended(A, Outcome.FAILED),
        queued(B, retry_of=A),
        ended(B, Outcome.BUILT),
        queued(C, needed_by=(B,)),
        ended(C, Outcome.FAILED),
        queued(D),
    )
    assert count_outcomes(state) == {Outcome.BUILT: 1}
