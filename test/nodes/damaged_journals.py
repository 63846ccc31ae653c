# SPDX-License-Identifier: Apache-2.0
"""Files that may stand where a killed segmenter leaves its last event: none may stop the next."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

Damage = Callable[[Path], None]

GOOD = {
    "stamp_ns": 5, "segment_id": 7, "status": 1, "label": "Pick USB", "action": "pick",
    "object": "USB", "class_id": 1, "confidence": 0.5, "start_ns": 1, "end_ns": 4,
    "boundary_confidence": 0.25, "outcome": 0, "outcome_confidence": 0.0, "progress": 0.5,
}  # fmt: skip
# What a segmenter of an older version did not write.
ADDED = ("outcome", "outcome_confidence", "progress")
# What each kind of field may not be, whatever JSON may hold.
NO_NUMBER = ["0.5", None, True, [], {}, "NaN", [0.5]]
BAD = {
    int: [*NO_NUMBER, 2**64, -2, 10**400, 0.5, 1e300, float("nan")],
    float: [*NO_NUMBER, float("nan"), float("inf"), -0.1, 1.5, 10**400],
    str: [None, 1, [], {}, True, "\ud800", "a\0b", ["Pick"]],
}
OTHER_JSON = ["", "[", "[]", "{}", "null", "1", '"text"', "[" * 9999, '{"a":' * 3000, "NaN", "[{}]"]


def damages(seed: int = 0, bytes_of_each: int = 10) -> Iterator[tuple[str, Damage]]:
    """Name and maker of each; what a maker makes is never an event that a segmenter has written."""
    for field, value in GOOD.items():
        bads = [bad for bad in BAD[type(value)] if not (field == "progress" and bad is None)]
        for bad in bads:
            yield f"{field}={bad!r:.20}", writes(json.dumps({**GOOD, field: bad}).encode())
        left = {k: v for k, v in GOOD.items() if k != field}
        if field not in ADDED:
            yield f"no {field}", writes(json.dumps(left).encode())
    yield "status=3", writes(json.dumps({**GOOD, "status": 3}).encode())
    yield "ends before it starts", writes(json.dumps({**GOOD, "start_ns": 5}).encode())
    yield "one field more", writes(json.dumps({**GOOD, "more": 1}).encode())
    for text in OTHER_JSON:
        yield f"json {text:.10}", writes(text.encode())
    whole = json.dumps(GOOD).encode()
    rng = random.Random(seed)
    for k in range(bytes_of_each):
        yield f"cut {k}", writes(whole[: rng.randrange(len(whole) - 1)])
        yield f"binary {k}", writes(rng.randbytes(rng.randrange(1, 9000)))
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] = rng.randrange(128, 256)
        yield f"flipped {k}", writes(bytes(flipped))
    yield "huge", writes(whole + b" " * 50_000_000)
    yield "utf-16", writes(json.dumps(GOOD).encode("utf-16"))
    yield "byte order mark", writes(b"\xef\xbb\xbf" + whole)
    yield "folder", Path.mkdir
    yield "pipe", os.mkfifo
    yield "link to nowhere", lambda path: path.symlink_to("/nowhere/at/all")
    yield "link to itself", lambda path: path.symlink_to(path)
    yield "link to another", links_to_another


def writes(content: bytes) -> Damage:
    return lambda path: path.write_bytes(content) and None


def links_to_another(path: Path) -> None:
    other = path.with_name("somebody's")
    other.write_text(json.dumps(GOOD))
    path.symlink_to(other)
