"""Why a build waits: one sentence for every reason, from the state alone."""

from __future__ import annotations

import pool
from app.model.queue import SlotQueue
from app.text.wait_reasons import queue_position, wait_reason
from pool.common.model import BuildId, Holder, LimitName, Outcome, Phase, RunId, WaitFor
from pool.events import types as v

A, B, C, D = (BuildId(f"b{n}") for n in (1, 2, 3, 4))
GIB = 1 << 30
HEADER = v.Header(
    wheelpool="1", schema=1, run=RunId("r"), started="1970-01-01T00:16:40+00:00", argv=(),
    python="3.11", host=v.Host(cpus=2, memory=8 * GIB),
)  # fmt: skip


def queued(build: BuildId, name: str, rank: int, weight: float = 0.0) -> v.BuildQueued:
    priority = (rank, -weight, int(build[1:]))
    expected = weight or None
    return v.BuildQueued(
        build=build, name=name, target=name, log=name, priority=priority, expected=expected
    )


def run(*events: v.KnownEvent, cap: int = 2) -> pool.RunState:
    limits = {LimitName.BUILDS: cap, LimitName.MEMORY: 4 * GIB}
    state = pool.RunState(header=HEADER)
    pool.apply(state, v.RunStarted(limits=limits, targets=3, out_dir="o", logs="l"))
    pool.apply_all(state, events)
    return state


def wait_texts(state: pool.RunState, build: BuildId, now: float = 0.0) -> tuple[str, str]:
    line = SlotQueue.of(state)
    return wait_reason(state.builds[build], state, now, line), queue_position(
        state.builds[build], line
    )


def three() -> list[v.KnownEvent]:
    return [queued(A, "long", 1, 90.0), queued(B, "short", 1, 5.0), queued(C, "other", 1, 5.0)]


def test_wait_for_a_lock_names_its_holder() -> None:
    holder = Holder(pid=4121, command="uv build", since=940.0)
    waits = v.BuildWaiting(build=A, for_=WaitFor.LOCK, on="/tree", holder=holder, t=10.0)
    words, _ = wait_texts(run(*three(), waits), A, now=41.0)
    assert words == (
        "waiting 0:31 for the lock on /tree, held by uv build (pid 4121, running 1:41)"
    )
    nobody = v.BuildWaiting(build=A, for_=WaitFor.LOCK, on="/tree")
    assert "held by another process" in wait_texts(run(*three(), nobody), A)[0]


def test_wait_for_a_dependency_has_its_status() -> None:
    nested = v.BuildWaiting(build=A, for_=WaitFor.DEPENDENCY, on="short", builds=(B,))
    begun = (v.BuildStarted(build=B, slot=1), v.BuildPhase(build=B, phase=Phase.BUILD))
    words, _ = wait_texts(run(*three(), nested, *begun), A, now=40.0)
    assert words == ("waiting 0:40 for short (building 0:40: build, 8.0x its usual time)")
    assert "short (waiting for a slot)" in wait_texts(run(*three(), nested), A)[0]
    locked = v.BuildWaiting(build=B, for_=WaitFor.LOCK, on="/t", holder=Holder(pid=7))
    assert (
        "short (waiting: locked held by pid 7 for 0:00)"
        in wait_texts(run(*three(), nested, locked), A)[0]
    )
    done = v.BuildFinished(build=B, outcome=Outcome.BUILT)
    assert "short (built)" in wait_texts(run(*three(), nested, done), A)[0]


def test_wait_for_memory_shows_needed_and_free_bytes() -> None:
    memory = v.BuildWaiting(build=A, for_=WaitFor.MEMORY, on="x", needs=3 * GIB, free=1 * GIB)
    state = run(*three(), v.BuildStarted(build=B, slot=1), memory)
    assert wait_texts(state, A, now=9.0)[0] == (
        "waiting 0:09 for memory: needs 3.0 GiB, 1.0 GiB of 4.0 GiB free; "
        "starts when short finishes"
    )
    old = v.BuildWaiting(build=A, for_=WaitFor.MEMORY, on="needs 3 GiB, 1 GiB free")
    assert "needs 3 GiB, 1 GiB free" in wait_texts(run(*three(), old), A)[0], "older journals"


def test_queue_is_counted_and_its_first_build_explained() -> None:
    state = run(*three())
    words, short = wait_texts(state, A)
    assert (
        words == "waiting for a slot, next in queue: "
        "it is expected to take the longest, about 2 min"
    )
    assert short == "next in queue"
    assert wait_texts(state, B) == ("waiting for a slot: 1 build before it", "2nd in queue")
    assert wait_texts(state, C) == ("waiting for a slot: 2 builds before it", "3rd in queue")


def test_started_and_needed_builds_go_first() -> None:
    begun = (v.BuildStarted(build=C, slot=1), v.BuildWaiting(build=C, for_=WaitFor.SLOT))
    words, short = wait_texts(run(*three(), *begun), C)
    assert short == "next in queue"
    assert words.endswith("it has started before, and started builds go before new ones")
    needed = v.BuildQueued(
        build=D, name="helper", target="h", log="h", needed_by=(A,), priority=(0, 0.0, 0)
    )
    words, short = wait_texts(run(*three(), needed), D)
    assert short == "next in queue"
    assert words.endswith("next in queue: needed by long")
    metadata = v.BuildQueued(
        build=D, name="h", target="h", log="h", purpose="metadata", priority=(0, 0.0, 0)
    )
    words, short = wait_texts(run(*three(), metadata), D)
    assert short == "next in queue"
    assert words.endswith("version resolution needs its metadata")


def test_equal_builds_start_in_the_order_given() -> None:
    same = [queued(A, "one", 1, 5.0), queued(B, "two", 1, 5.0)]
    words, short = wait_texts(run(*same), A)
    assert short == "next in queue"
    assert words.endswith("builds with equal estimates start in the order given")
    words, short = wait_texts(run(same[0]), A)
    assert short == "next in queue"
    assert words.endswith("no other build waits that can run beside others")


def test_exclusive_build_explains_itself_and_the_delay_of_others() -> None:
    alone = v.BuildQueued(
        build=D, name="big", target="b", log="b", priority=(2, 0.0, 0), alone=True
    )
    started = [v.BuildStarted(build=one, slot=n) for n, one in enumerate((A, B), 1)]
    words, short = wait_texts(run(*three()[:2], alone, *started, cap=4), D)
    assert short == "next in queue"
    assert words.endswith("so it runs on its own once 2 builds have finished")
    inside = v.BuildStarted(build=D, slot=1)
    words, _ = wait_texts(run(*three(), alone, inside), B)
    assert words.endswith("; big runs on its own, as it ran out of memory before")


def test_empty_slot_beside_a_waiting_build_is_explained() -> None:
    memory = v.BuildWaiting(build=A, for_=WaitFor.MEMORY, on="x", needs=3 * GIB, free=GIB)
    started = v.BuildStarted(build=C, slot=1)
    words, _ = wait_texts(run(*three(), started, memory), B)
    assert words.endswith("; long was overtaken often enough, and goes first once it fits")


def test_pause_is_the_reason_while_it_lasts() -> None:
    paused = v.LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause")
    assert wait_texts(run(*three(), paused), A)[0] == "waiting for a slot: builds are paused"
    assert wait_texts(run(*three(), v.BuildStarted(build=A, slot=1)), A) == ("", "")
