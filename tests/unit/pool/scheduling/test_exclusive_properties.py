"""An exclusive entry of the limiter runs alone, and no entry waits for ever because of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pool.scheduling.limiter import Limiter

REQUESTS = st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), max_size=12)
"""Priority, whether it is exclusive, and whether a running entry is removed before it."""


@given(cap=st.integers(1, 3), requests=REQUESTS)
def test_an_exclusive_entry_runs_alone_and_every_entry_is_admitted(
    cap: int, requests: list[tuple[int, bool, bool]]
) -> None:
    limiter: Limiter[int] = Limiter(cap)
    exclusive = {entry for entry, (_, is_exclusive, _) in enumerate(requests) if is_exclusive}
    admitted = set[int]()

    def check() -> None:
        running = set(limiter.running)
        admitted.update(running)
        assert len(running) <= cap
        assert len(running) == 1 or running.isdisjoint(exclusive)
        assert running or not limiter.waiting, "an entry waits though no entry runs"
        if limiter.waiting and 0 < len(running) < cap:
            assert limiter.waiting[0] in exclusive or running & exclusive, "a slot idles"

    for entry, (priority, is_exclusive, leaves) in enumerate(requests):
        if leaves and limiter.running:
            limiter.remove(next(iter(limiter.running)))
        limiter.request(entry, (priority,), exclusive=is_exclusive)
        check()
    while limiter.running:
        limiter.remove(next(iter(limiter.running)))
        check()
    assert admitted == set(range(len(requests)))
