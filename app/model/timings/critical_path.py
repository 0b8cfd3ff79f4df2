"""The critical path of a run: the chain of builds and waits that decided when the run ended.

It is walked from the end backwards. A build that waited continues with the build that it waited
for: a build requirement, the holder of a lock, the build that released the slot or the memory. A
build that just began continues with its first attempt, or with the build that required it; one of
the user's targets continues with what the run did before: it resolved versions, or it started.

Foreign journals may have any times and references, so every step goes back in time, or to a build
that was not visited at this moment.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pool import LimitName, WaitFor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pool
    from app.model.timeline import Cause, SpanKind, Timeline

__all__ = ["CriticalPathFinder", "Piece", "Segment", "Subject"]

Subject: TypeAlias = "pool.BuildId | None"
"""A build, or None for the run itself."""


class Piece(NamedTuple):
    """A span of the timeline, within the length of the run."""

    since: float
    until: float
    kind: SpanKind
    cause: Cause
    slot: int | None


class Segment(NamedTuple):
    """A part of the critical path: the time in which one build, or the run, decided its length."""

    subject: Subject
    since: float
    until: float


class _Moments:
    """Moments of builds, in order: the newest one before a time can be found."""

    def __init__(self, moments: Iterable[tuple[float, Subject]]) -> None:
        ordered = sorted(moments, key=lambda moment: moment[0])
        self._times = [t for t, _ in ordered]
        self._subjects = [subject for _, subject in ordered]

    def newest(
        self, since: float, until: float, *, but: Subject | str = ""
    ) -> tuple[float, Subject] | None:
        """Return the newest moment after ``since`` and not after ``until``.

        Args:
            since: the start, excluded.
            until: the end, included.
            but: a build whose moments do not count.
        """
        for index in range(bisect_right(self._times, until) - 1, -1, -1):
            if self._times[index] <= since:
                return None
            if self._subjects[index] != but:
                return self._times[index], self._subjects[index]
        return None


class CriticalPathFinder:
    """Finds the critical path of one run.

    Args:
        builds: all builds.
        pieces: what each build, and the run itself (None), did; in order, without empty pieces.
        releases: for each lock of a tree or cache entry, when builds released it.
        timeline: has the changes of limits.
    """

    def __init__(
        self,
        builds: Mapping[pool.BuildId, pool.BuildState],
        pieces: Mapping[Subject, Sequence[Piece]],
        releases: Mapping[str, Sequence[tuple[float, pool.BuildId]]],
        timeline: Timeline,
    ) -> None:
        self._builds = builds
        self._pieces = pieces
        self._starts = {subject: [piece.since for piece in own] for subject, own in pieces.items()}
        self._ends = {subject: own[-1].until for subject, own in pieces.items() if own}
        run_ends = [(piece.until, None) for piece in pieces.get(None, ())]
        build_ends = [(end, one) for one, end in self._ends.items() if one is not None]
        self._all_ends = _Moments([*build_ends, *run_ends])
        self._metadata_ends = _Moments(
            (end, one) for end, one in build_ends if builds[one].purpose == "metadata"
        )
        self._slot_releases = _Moments(_slot_releases(pieces))
        self._lock_releases = {lock: _Moments(moments) for lock, moments in releases.items()}
        changes: dict[LimitName, list[tuple[float, Subject]]] = defaultdict(list)
        for mark in timeline.landmarks:
            if mark.change is not None:
                changes[mark.change.limit].append((mark.t, None))
        self._changes = {limit: _Moments(moments) for limit, moments in changes.items()}

    def find(self, since: float, until: float) -> list[Segment]:
        """Return the critical path, without gaps, from the start of the run to its end.

        Args:
            since: the start of the run.
            until: its end.
        """
        segments: list[Segment] = []
        subject: Subject = None
        t, visited = until, {subject}
        while t > since:
            before, origin = self._step_back(subject, t)
            before = max(before, since)
            if before < t:
                _prepend(segments, Segment(subject, before, t))
                t, visited = before, {origin}
            elif origin not in visited:
                visited.add(origin)
            elif None not in visited:
                origin = None
                visited.add(None)
            else:
                # Only a journal that contradicts itself leads here.
                _prepend(segments, Segment(None, since, t))
                break
            subject = origin
        return segments[::-1]

    def _step_back(self, subject: Subject, t: float) -> tuple[float, Subject]:
        """Return the moment until which a build decided, and what decided before that.

        Args:
            subject: the build, or None for the run itself.
            t: the moment at which it decided.
        """
        piece = self._piece_before(subject, t)
        if subject is None:
            return self._step_back_in_run(piece, t)
        if piece is None:
            return t, self._origin(self._builds[subject], t)
        if piece.until < t:
            return piece.until, subject
        return self._decider(subject, piece, t) or (piece.since, subject)

    def _piece_before(self, subject: Subject, t: float) -> Piece | None:
        """Return the last piece that begins before a moment."""
        index = bisect_left(self._starts.get(subject, ()), t) - 1
        return self._pieces[subject][index] if index >= 0 else None

    def _step_back_in_run(self, piece: Piece | None, t: float) -> tuple[float, Subject]:
        if piece is not None and piece.until >= t:
            if piece.kind == "resolve":
                # The resolver waits for metadata that builds make.
                return self._metadata_ends.newest(piece.since, t) or (piece.since, None)
            return piece.since, None
        return self._all_ends.newest(float("-inf"), t) or (float("-inf"), None)

    def _decider(self, build: pool.BuildId, piece: Piece, t: float) -> tuple[float, Subject] | None:
        """Return which other build ended a wait, and when; None if no build of the run did."""
        match piece.kind:
            case WaitFor.DEPENDENCY:
                ends = ((self._ends[one], one) for one in piece.cause.builds if one in self._ends)
                inside = [end for end in ends if piece.since < end[0] <= t and end[1] != build]
                return max(inside, default=None)
            case WaitFor.LOCK:
                moments = self._lock_releases.get(piece.cause.subject)
                return moments.newest(piece.since, t, but=build) if moments else None
            case WaitFor.SLOT:
                return self._release(build, piece, t, LimitName.BUILDS)
            case WaitFor.MEMORY:
                return self._release(build, piece, t, LimitName.MEMORY)
            case _:
                return None

    def _release(
        self, build: pool.BuildId, piece: Piece, t: float, limit: LimitName
    ) -> tuple[float, Subject] | None:
        """Return which build released its slot, unless a changed limit ended the wait."""
        release = self._slot_releases.newest(piece.since, t, but=build)
        changes = self._changes.get(limit)
        if release is None or (changes and changes.newest(release[0], t) is not None):
            return None
        return release

    def _origin(self, build: pool.BuildState, t: float) -> Subject:
        """Return the build because of which a build began; None for the run."""
        before = [build.retry_of] if build.retry_of is not None else []
        for one in (*before, *build.needed_by):
            alive = self._piece_before(one, t) is not None and self._ends[one] >= t
            if alive and one != build.id:
                return one
        return None


def _prepend(segments: list[Segment], segment: Segment) -> None:
    """Add a segment to a path that is found backwards, as one with the last if it belongs to it."""
    if segments and segments[-1].subject == segment.subject:
        segment = Segment(segment.subject, segment.since, segments.pop().until)
    segments.append(segment)


def _slot_releases(
    pieces: Mapping[Subject, Sequence[Piece]],
) -> Iterable[tuple[float, Subject]]:
    """Yield when each build released a slot."""
    for subject, own in pieces.items():
        for number, piece in enumerate(own):
            held_on = number + 1 < len(own) and own[number + 1].slot is not None
            if piece.slot is not None and not held_on:
                yield piece.until, subject
