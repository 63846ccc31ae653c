# SPDX-License-Identifier: Apache-2.0
"""Foxglove's panels for the sensors of a robot, in the form that its "Import from file" takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.signal import Signal
from m2r2_ros.viewing import streams
from m2r2_ros.viewing.screen import MESSAGE_LATENCIES, QUANTILES

# Seconds that curves and states reach back.
_BACK_S = 60.0
_BY_STAMP = {"timestampMethod": "headerStamp"}

Panels = dict[str, dict[str, Any]]


def foxglove_layout(layout: SensorLayout) -> dict[str, Any]:
    """Cameras on the left, results and signals in the middle, diagnostics on the right."""
    cameras = {f"Image!{name}": _camera(name) for name in layout.cameras}
    curves = {"StateTransitions!segments": _states(), **_result_plots()}
    for name, signal in layout.signals.items():
        curves |= _signal_plots(name, signal)
    late = (*MESSAGE_LATENCIES, *QUANTILES["p95"])
    diagnostics = {
        "Plot!latency": _plot("Latency [s]", ((f"{streams.LATENCY}.{n}", n) for n in late)),
        "DiagnosticSummary!nodes": {
            "foxglovePanelTitle": "Diagnostics",
            "topicToRender": streams.DIAGNOSTICS,
            "minLevel": 0,
            "pinnedIds": [],
            "hardwareIdFilter": "",
            "sortByLevel": True,
        },
    }
    columns = [list(panels) for panels in (cameras, curves, diagnostics) if panels]
    return {
        "configById": cameras | curves | diagnostics,
        "globalVariables": {},
        "userNodes": {},
        "playbackConfig": {"speed": 1},
        "layout": _split("row", [_split("column", column) for column in columns]),
    }


def _camera(name: str) -> dict[str, Any]:
    return {
        "foxglovePanelTitle": name,
        "synchronize": False,
        "imageMode": {
            "imageTopic": streams.camera(name),
            "annotations": {streams.caption(name): {"visible": True}},
        },
    }


def _states() -> dict[str, Any]:
    rows = ((streams.SEGMENT, "published"), (streams.TRUTH, "truth"))
    paths = [
        {"value": f"{topic}.current", "label": label, "enabled": True, **_BY_STAMP}
        for topic, label in rows
    ]
    return {
        "foxglovePanelTitle": "Segments",
        "paths": paths,
        "isSynced": True,
        "showPoints": False,
        "xAxisRange": _BACK_S,
    }


def _result_plots() -> Panels:
    shares = (
        (f"{streams.PREDICTION}.confidence", "confidence"),
        (f"{streams.PREDICTION}.boundary", "boundary"),
        (f"{streams.SEGMENT}.progress", "progress"),
    )
    return {"Plot!confidence": {**_plot("Confidence", shares), "minYValue": 0, "maxYValue": 1}}


def _signal_plots(name: str, signal: Signal) -> Panels:
    """A plot for each quantity: newtons and newton metres have an axis each."""
    columns, plots = streams.column_names(signal), {}
    for number, (quantity, span) in enumerate(signal.spans()):
        title = f"{name}: {quantity.name} [{quantity.unit}]"
        paths = ((f"{streams.signal(name)}.{column}", column) for column in columns[span])
        plots[f"Plot!{name}{number}"] = _plot(title, paths)
    return plots


def _plot(title: str, paths: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {
        "foxglovePanelTitle": title,
        "paths": [
            {"value": value, "label": label, "enabled": True, **_BY_STAMP} for value, label in paths
        ],
        "xAxisVal": "timestamp",
        "isSynced": True,
        "showLegend": True,
        "legendDisplay": "floating",
        "showXAxisLabels": True,
        "showYAxisLabels": True,
        "followingViewWidth": _BACK_S,
    }


def _split(direction: str, parts: Sequence[Any]) -> Any:
    """Equal parts beside or below each other, as Foxglove nests them: two at a time."""
    first, *rest = parts
    if not rest:
        return first
    return {
        "direction": direction,
        "first": first,
        "second": _split(direction, rest),
        "splitPercentage": round(100 / len(parts), 3),
    }
