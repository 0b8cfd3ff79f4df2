"""Collects the evidence of an out-of-memory failure from the system: counters, limits, samples.

Separate from `pool.build.diagnosis.oom`, which classifies the evidence and is pure.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from pool.build.diagnosis.oom import OomEvidence, classify, describe_verdict
from pool.build.frontend.hooks import HookFailedError
from pool.common.errors import OutOfMemoryError
from pool.system.cgroup import count_kills, own_cgroup

if TYPE_CHECKING:
    from pool.build.frontend.hooks import HookEnd
    from pool.common.errors import BackendError
    from pool.events.types import MachineMemory

__all__ = ["OomEvidenceCollector"]

_HINT = (
    "add memory or swap, or try fewer jobs (MAX_JOBS=1) or fewer builds at once (--builds 1);"
    " to see the memory and its limits: wheelpool doctor"
)


class OomEvidenceCollector:
    """Collects the evidence of one hook; create it just before the hook starts."""

    def __init__(self, hook: str) -> None:
        self._hook = hook
        self._before = count_kills()

    def oom_error(
        self, problem: BackendError, *, used: int, machine: MachineMemory | None
    ) -> OutOfMemoryError | None:
        """Return the error to raise if the hook ran out of memory; else None.

        Args:
            problem: the failure of the hook.
            used: the highest use of the build's processes that was measured, in bytes.
            machine: the memory of the machine at the last sample.
        """
        if not isinstance(problem, HookFailedError):
            return None
        verdict = classify(self._evidence(problem.ended, used, machine))
        if verdict.certainty == "no":
            return None
        return OutOfMemoryError(describe_verdict(verdict), hint=_HINT)

    def _evidence(self, end: HookEnd, used: int, machine: MachineMemory | None) -> OomEvidence:
        kernel, cgroup = count_kills().since(self._before)
        total, group = machine.total if machine else 0, own_cgroup()
        group_limit = group.limit() if group else None
        limited = group_limit is not None and (not total or group_limit < total)
        return OomEvidence(
            hook=self._hook,
            code=end.code,
            tail=end.tail,
            kernel_kills=kernel,
            cgroup_kills=cgroup,
            used=max(used, end.peak),
            limit=group_limit if limited and group_limit else total,
            limit_label="its cgroup may have" if limited else "the machine has",
            # Within a cgroup the machine's available memory says nothing; its kills are counted.
            available=machine.available if machine and not limited else None,
            address_space=_address_space_limit(),
            sent_by_us=end.ended_by_us,
        )


def _address_space_limit() -> int:
    """Return the limit that hooks inherit (``ulimit -v``), in bytes; 0 if there is none."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return 0 if soft == resource.RLIM_INFINITY else soft
