"""Stands beside one hook: gathers what is known when it fails, and says if memory was the cause.

The judgement itself is `pool.build.oom`; here is where its evidence comes from.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from pool.build.frontend.hooks import HookFailedError
from pool.build.oom import Evidence, classify, describe_verdict
from pool.common.errors import OutOfMemoryError
from pool.system.cgroup import count_kills, own_cgroup

if TYPE_CHECKING:
    from pool.build.frontend.hooks import HookEnd
    from pool.common.errors import BackendError
    from pool.events.types import MachineMemory

__all__ = ["OomEvidenceCollector"]

_WAY_OUT = (
    "it needs more memory or swap, fewer jobs (MAX_JOBS=1) or less beside it (--builds 1);"
    " what there is and what limits it: wheelpool doctor"
)


class OomEvidenceCollector:
    """Made just before a hook starts."""

    def __init__(self, hook: str) -> None:
        self._hook = hook
        self._before = count_kills()

    def oom_error(
        self, problem: BackendError, *, used: int, machine: MachineMemory | None
    ) -> OutOfMemoryError | None:
        """Return the failure by its name, if it was for want of memory.

        Args:
            problem: how the hook failed.
            used: bytes, the most that was seen of the build's processes.
            machine: what it had when last looked at.
        """
        if not isinstance(problem, HookFailedError):
            return None
        finding = classify(self._evidence(problem.ended, used, machine))
        if finding.verdict == "no":
            return None
        return OutOfMemoryError(describe_verdict(finding), hint=_WAY_OUT)

    def _evidence(self, end: HookEnd, used: int, machine: MachineMemory | None) -> Evidence:
        kernel, cgroup = count_kills().since(self._before)
        ours = own_cgroup()
        total, allowed = machine.total if machine else 0, ours.limit() if ours else None
        walled = allowed is not None and (not total or allowed < total)
        return Evidence(
            hook=self._hook,
            code=end.code,
            tail=end.tail,
            kernel_kills=kernel,
            cgroup_kills=cgroup,
            used=max(used, end.peak),
            limit=allowed if walled and allowed else total,
            limit_is="its cgroup may have" if walled else "the machine has",
            # What is left of a cgroup is told by its kills.
            available=machine.available if machine and not walled else None,
            address_space=_address_space(),
            ours=end.ours,
        )


def _address_space() -> int:
    """Return the limit that hooks inherit from us (``ulimit -v``); 0 without one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return 0 if soft == resource.RLIM_INFINITY else soft
