"""The caps of a run: how many builds, downloads and installs go on at once, changed by the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.events.vocabulary import LimitChanged
from pool.limits.gate import Gate
from pool.model import LimitName
from pool.settings import MAX_BUILDS

if TYPE_CHECKING:
    from pool.controls import Resize
    from pool.events.bus import Bus
    from pool.settings import Settings

__all__ = ["Caps"]


class Caps:
    """One gate for each kind of work; every change is told before it takes effect."""

    def __init__(self, settings: Settings, bus: Bus) -> None:
        self._bus = bus
        self.builds = Gate(settings.builds)
        self.downloads = Gate(settings.downloads)
        self.installs = Gate(settings.installs)

    @property
    def _gates(self) -> dict[LimitName, Gate]:
        return {
            LimitName.BUILDS: self.builds,
            LimitName.DOWNLOADS: self.downloads,
            LimitName.INSTALLS: self.installs,
        }

    def values(self) -> dict[LimitName, int]:
        """Return the caps by name."""
        return {name: gate.cap for name, gate in self._gates.items()}

    def resize(self, control: Resize) -> None:
        """Set a cap between 1 and the hard maximum; a kind that is not capped is ignored."""
        if (gate := self._gates.get(control.limit)) is None:
            return
        wanted = control.value if control.value is not None else gate.cap + control.by
        new, old = max(1, min(wanted, MAX_BUILDS)), gate.cap
        if new == old:
            return
        # While paused, the old value is what resuming brings back.
        if gate.paused:
            self._tell(control.limit, new, 0, "pause")
        else:
            self._tell(control.limit, old, new, "user")
        gate.resize(new)

    def pause(self) -> None:
        """Let no build begin or go on from a wait; what holds a slot goes on."""
        if not self.builds.paused:
            self._tell(LimitName.BUILDS, self.builds.cap, 0, "pause")
            self.builds.pause()

    def resume(self) -> None:
        """Let builds in again."""
        if self.builds.paused:
            self._tell(LimitName.BUILDS, 0, self.builds.cap, "resume")
            self.builds.resume()

    def _tell(self, limit: LimitName, old: int, new: int, why: str) -> None:
        self._bus.emit(LimitChanged(limit=limit, old=old, new=new, why=why))
