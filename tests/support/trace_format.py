"""The rules of the Trace Event Format that a trace of ours has to keep, as a check."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

_KNOWN = {"ph", "name", "cat", "pid", "tid", "ts", "dur", "s", "args"}


def check_trace(text: str) -> list[dict[str, Any]]:
    """Return a trace's events after a check of all of them."""
    document = json.loads(text)
    assert document["displayTimeUnit"] == "ms"
    events: list[dict[str, Any]] = document["traceEvents"]
    slices: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    counters: dict[tuple[int, str], int] = {}
    tracks: set[tuple[int, int]] = set()
    for event in events:
        assert set(event) <= _KNOWN, event
        assert isinstance(event["name"], str)
        assert event["name"]
        assert all(type(event[key]) is int and event[key] >= 0 for key in ("pid", "tid", "ts"))
        track = event["pid"], event["tid"]
        match event["ph"]:
            case "M":
                assert event["name"] in (
                    "process_name", "process_sort_index", "thread_name", "thread_sort_index",
                )  # fmt: skip
                tracks.add(track)
            case "X":
                assert type(event["dur"]) is int
                assert event["dur"] >= 0
                slices[track].append(event)
            case "C":
                counter = event["pid"], event["name"]
                assert counters.get(counter, 0) <= event["ts"], "a counter goes back in time"
                counters[counter] = event["ts"]
                assert all(type(value) is int for value in event["args"].values())
            case "i":
                assert event["s"] in ("g", "p", "t")
            case other:
                raise AssertionError(f"unknown phase {other}")
    assert len({tid for _, tid in tracks if tid}) == len([tid for _, tid in tracks if tid])
    for track, own in slices.items():
        assert track in tracks, f"{track} has no name"
        _nested(own)
    return events


def _nested(slices: list[dict[str, Any]]) -> None:
    """Slices of one track are beside each other or inside one another, never across."""
    open_until: list[int] = []
    for one in sorted(slices, key=lambda event: (event["ts"], -event["dur"])):
        while open_until and open_until[-1] <= one["ts"]:
            open_until.pop()
        end = one["ts"] + one["dur"]
        assert not open_until or end <= open_until[-1], f"{one} ends after what it is in"
        open_until.append(end)
