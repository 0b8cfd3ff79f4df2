"""Who asks to be alone is alone, and nobody waits for ever because of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pool.scheduling.limiter import Limiter

COMING = st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), max_size=12)
"""Priority, whether alone, and whether somebody leaves before they come."""


@given(cap=st.integers(1, 3), coming=COMING)
def test_nobody_runs_beside_a_loner_and_all_have_their_turn(
    cap: int, coming: list[tuple[int, bool, bool]]
) -> None:
    limiter: Limiter[int] = Limiter(cap)
    loners = {who for who, (_, alone, _) in enumerate(coming) if alone}
    had_a_turn = set[int]()

    def check() -> None:
        running = set(limiter.running)
        had_a_turn.update(running)
        assert len(running) <= cap
        assert len(running) == 1 or running.isdisjoint(loners)
        assert running or not limiter.waiting, "somebody waits for nobody"
        if limiter.waiting and 0 < len(running) < cap:
            assert limiter.waiting[0] in loners or running & loners, "a slot idles"

    for who, (priority, alone, leaves) in enumerate(coming):
        if leaves and limiter.running:
            limiter.remove(next(iter(limiter.running)))
        limiter.request(who, (priority,), exclusive=alone)
        check()
    while limiter.running:
        limiter.remove(next(iter(limiter.running)))
        check()
    assert had_a_turn == set(range(len(coming)))
