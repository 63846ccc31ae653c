# SPDX-License-Identifier: Apache-2.0
"""Our way and the stated reference way in turn, in one run, on whatever machine this is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np

Measure = Callable[[], float]


def compare(ours: Measure, reference: Measure, repetitions: int) -> dict[str, Any]:
    """Measure both `repetitions` times, each time the other one first.

    Returns for each the median and all values, and as `ratio` the median of ours / reference over
    the pairs: what the machine did meanwhile was done to both.
    """
    values: dict[str, list[float]] = {"ours": [], "reference": []}
    turns = [("ours", ours), ("reference", reference)]
    for repetition in range(repetitions):
        for name, measure in turns if repetition % 2 == 0 else turns[::-1]:
            values[name].append(measure())
    return summarise(values["ours"], values["reference"])


def summarise(ours: Sequence[float], reference: Sequence[float]) -> dict[str, Any]:
    """The same for pairs that are measured already."""
    ratios = [a / b for a, b in zip(ours, reference, strict=True)]
    return {
        "ratio": rounded(median(ratios)),
        "ratio_spread": [rounded(min(ratios)), rounded(max(ratios))],
        "ours": _spread(ours),
        "reference": _spread(reference),
        "repetitions": len(ratios),
    }


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {"median": rounded(median(values)), "all": [rounded(value) for value in values]}


def cpu_seconds_of(work: Callable[[], Any]) -> Measure:
    """Measure the CPU time of one call, all threads [s]: what else runs does not count."""

    def measure() -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return measure


def quantiles(values_ms: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest, and how many there are."""
    if not len(values_ms):
        return {"count": 0}
    p50, p95, p99 = np.percentile(values_ms, (50, 95, 99))
    named = {"p50": p50, "p95": p95, "p99": p99, "max": max(values_ms)}
    return {name: rounded(value) for name, value in named.items()} | {"count": len(values_ms)}


def rounded(value: float) -> float:
    """Four significant digits: more is noise."""
    return float(f"{value:.4g}")
