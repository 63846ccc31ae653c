# SPDX-License-Identifier: Apache-2.0
"""Rerun's views for the sensors of a robot."""

from __future__ import annotations

from collections.abc import Iterator

import rerun.blueprint as rrb

from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing import streams
from m2r2_ros.viewing.rerun_screen import STATES

# Two rows of states and their time take more height than curves do.
_STATES_SHARE = 1.6


def rerun_blueprint(layout: SensorLayout) -> rrb.Blueprint:
    """Cameras on the left; segments, curves, signals and diagnostics on the right."""
    cameras = [rrb.Spatial2DView(origin=streams.camera(name), name=name) for name in layout.cameras]
    rows = list(_curves(layout))
    curves = rrb.Vertical(*rows, row_shares=[_STATES_SHARE, *[1] * (len(rows) - 1)])
    sides = [rrb.Vertical(*cameras), curves] if cameras else [curves]
    shares = [1, 2][-len(sides) :]
    return rrb.Blueprint(rrb.Horizontal(*sides, column_shares=shares), collapse_panels=True)


def _curves(layout: SensorLayout) -> Iterator[rrb.View | rrb.Container]:
    yield rrb.StateTimelineView(origin=STATES, name="Segments")
    yield rrb.TimeSeriesView(origin=streams.PREDICTION, name="Confidence and boundary")
    for name in layout.signals:
        yield rrb.TimeSeriesView(origin=streams.signal(name), name=name)
    yield rrb.Horizontal(
        rrb.TimeSeriesView(origin=streams.LATENCY, name="Latency [s]"),
        rrb.TextLogView(origin=streams.DIAGNOSTICS, name="Diagnostics"),
    )
