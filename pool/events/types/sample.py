"""The periodic sample of all running builds and of the machine's memory."""

from __future__ import annotations

import msgspec

from pool.common.model import BuildId
from pool.events.process_delta import ProcessDelta
from pool.events.types.base import BaseEvent


class BuildSample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The resources that one build uses at the time of a sample."""

    build: BuildId
    processes: tuple[ProcessDelta, ...]
    """All its processes, parents before their children; of each the fields that changed."""
    rss: int
    """Bytes, summed over the tree."""
    peak: int
    """Bytes, the largest such sum so far."""
    pss: int | None = None
    """Bytes, shared pages counted once; None if the tree was not measured in this sample."""
    tokens: int = 0
    """Jobs that it may run beside its first one: tokens it has taken or that are leased to it."""


class MachineMemory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The memory of the machine; bytes."""

    total: int
    available: int
    stall: float | None = None
    """Percent of the last ten seconds in which some process waited for memory, from
    `pool.system.memory.read_pressure`; None if the kernel does not tell."""


class Sample(BaseEvent, frozen=True, tag="sample"):
    """A sample of all running builds, about one a second."""

    builds: tuple[BuildSample, ...]
    machine: MachineMemory
