# SPDX-License-Identifier: Apache-2.0
"""What a viewer can show, whichever program it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from m2r2_ros.datasets.result_messages import ClassPrediction, NodeStatus
from m2r2_ros.inference.segment_events import SegmentEvent

# A window's way through the nodes.
STAGES = ("window", "feature", "prediction", "segment")


class Screen(Protocol):
    """Shows one thing after the other; all stamps are nanoseconds."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Why pictures of a camera cannot be shown, a line by its name."""
        ...

    def wants(self, stream: str) -> bool:
        """Whether somebody looks at this one of `streams`."""
        ...

    def has_newcomers(self) -> bool:
        """Whether somebody has begun to look at something since this was asked last."""
        ...

    def at(self, stamp_ns: int) -> None:
        """The time that has been reached."""
        ...

    def picture(self, camera: str, stamp_ns: int, picture: Callable[[], np.ndarray]) -> None:
        """A frame, with what goes on now written on it."""
        ...

    def signal(self, name: str, stamps: np.ndarray, values: np.ndarray) -> None:
        """Rows of a signal, int64 (N,) and float64 (N, D)."""
        ...

    def segment(self, event: SegmentEvent) -> None: ...

    def write(self, text: str) -> None:
        """What stands on pictures until the next segment's event."""
        ...

    def truth(self, stamp_ns: int, label: str, outcome: str) -> None:
        """What is done from this stamp on by the labels; "" where they do not say it."""
        ...

    def prediction(self, prediction: ClassPrediction) -> None: ...

    def diagnostics(self, stamp_ns: int, statuses: Sequence[NodeStatus]) -> None: ...

    def latency(self, stamp_ns: int, name: str, seconds: float) -> None:
        """One of `LATENCIES`, of what is stamped so."""
        ...


# From a frame's stamp to its prediction and to a segment's message; from the beginning of an action
# to the message that says it.
MESSAGE_LATENCIES = ("stamp_to_prediction_s", "stamp_to_segment_s", "start_to_segment_s")
# What the nodes say in their diagnostics of the last minute, stage by stage.
QUANTILES = {
    quantile: tuple(f"stamp_to_{stage}_{quantile}_s" for stage in STAGES)
    for quantile in ("p50", "p95", "p99")
}
LATENCIES = (*MESSAGE_LATENCIES, *(name for names in QUANTILES.values() for name in names))
