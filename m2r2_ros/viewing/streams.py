# SPDX-License-Identifier: Apache-2.0
"""Names of what is shown: topics in Foxglove, entities in Rerun."""

from __future__ import annotations

import re

from m2r2_ros.messages.output_topics import DIAGNOSTICS_TOPIC
from m2r2_ros.sensing.signal import Signal

SEGMENT, TRUTH, PREDICTION = "/segment", "/truth", "/prediction"
DIAGNOSTICS, LATENCY = DIAGNOSTICS_TOPIC, "/latency"
# What every message has beside its values.
HEADER = "header"
RESULTS = (SEGMENT, TRUTH, PREDICTION, DIAGNOSTICS, LATENCY)


def camera(name: str) -> str:
    """Pictures of a camera."""
    return f"/camera/{name}"


def caption(name: str) -> str:
    """What is written on a camera's pictures."""
    return f"{camera(name)}/segment"


def signal(name: str) -> str:
    """Numbers of a signal."""
    return f"/signal/{name}"


def column_names(signal: Signal) -> list[str]:
    """The signal's columns as plain words, all different: "force x" is force_x, "0" is c0."""
    names: list[str] = []
    for index, column in enumerate(signal.columns):
        word = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_")
        word = word if word and not word[0].isdigit() else f"c{word or index}"
        while word in (HEADER, *names):
            word = f"{word}_{index}"
        names.append(word)
    return names
