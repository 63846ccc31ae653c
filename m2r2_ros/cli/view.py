# SPDX-License-Identifier: Apache-2.0
"""Show a live graph or a recording in Foxglove or Rerun: cameras with the current segment on them.

Beside the cameras: segments and labels as rows of states, confidence, boundary, signals, latency
and diagnostics. Foxglove connects to a WebSocket server of this command, on this machine only
unless --host says otherwise; what it does not look at is neither read nor encoded. --rerun opens
Rerun's viewer, or with --out writes a file for it. A recording's segments are those of --models or
--results, else those that its bag holds.

While it shows a live graph it publishes what goes on as a std_msgs/String on m2r2/segment_text,
for overlays in RViz; --text does that alone.

Examples:
    m2r2 view
    m2r2 view --config robot.yaml --panels panels.json
    m2r2 view recordings/taskboard_demo.h5 --models models/taskboard_compact
    m2r2 view my_bag --results segments.mcap
    m2r2 view my_bag --rerun --out my_bag.rrd
    m2r2 view --config robot.yaml --text
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from m2r2_ros.cli._config import add_shown_layout, load_deployment
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.source import open_source
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.inference.models import Models
from m2r2_ros.inspection.inspection import layout_of
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.parallel.held_signals import held_back
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.viewing.foxglove_layout import foxglove_layout
from m2r2_ros.viewing.recorded_show import shown_layout

# Foxglove's own default.
DEFAULT_PORT = 8765
_RERUN_SUFFIX = ".rrd"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recording",
        nargs="?",
        type=Path,
        metavar="RECORDING",
        help=".h5, rosbag2 folder, .mcap or .db3 (default: the live graph)",
    )
    parser.add_argument("--config", type=Path, metavar="YAML", help="parameter file: the topics")
    published = parser.add_mutually_exclusive_group()
    published.add_argument(
        "--models", type=Path, metavar="DIR", help="models that segment the recording"
    )
    published.add_argument(
        "--results",
        type=Path,
        metavar="BAG",
        help="what was published about the recording, as `segment --bag` and record:=true write it",
    )
    add_shown_layout(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="0: any (default: %(default)s)"
    )
    parser.add_argument(
        "--panels",
        type=Path,
        metavar="FILE",
        help="write Foxglove's layout for these sensors, for its menu Import from file",
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--rerun", action="store_true", help="in Rerun instead of Foxglove")
    one.add_argument("--text", action="store_true", help="publish m2r2/segment_text, no viewer")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="with --rerun: a .rrd to write, no viewer"
    )


def main(args: argparse.Namespace) -> int:
    _check(args)
    _check_viewer(args)
    deployment = load_deployment(args.config)
    models = Models.load(args.models, False, deployment.actions) if args.models else None
    layout = _layout(args.layout, models, deployment)
    if args.panels:
        with partial_file(args.panels) as temporary:
            temporary.write_text(json.dumps(foxglove_layout(layout), indent=1) + "\n", "utf-8")
    if args.recording is None:
        _view_graph(args, layout, deployment)
    else:
        _view_recording(args, layout, deployment, models)
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.out and not args.rerun:
        raise M2R2Error(f"--out {args.out} is for Rerun: add --rerun")
    if args.out and args.out.suffix != _RERUN_SUFFIX:
        raise M2R2Error(f"{args.out}: Rerun's files end in {_RERUN_SUFFIX}")
    if args.results and not args.recording:
        raise M2R2Error("--results are about a recording: name it, too")
    if args.text and args.recording:
        raise M2R2Error("--text is about the live graph: leave the recording out")


def _check_viewer(args: argparse.Namespace) -> None:
    """Before long work: its package is there, and the place where it shows things."""
    if args.rerun:
        from m2r2_ros.viewing.rerun_viewer import check_display

        if args.out is None:
            check_display()
    elif not args.text:
        from m2r2_ros.viewing.foxglove_server import check_address

        check_address(args.host, args.port)


def _layout(file: Path | None, models: Models | None, deployment: Deployment) -> SensorLayout:
    if file:
        return shown_layout(load_layout(file))
    if models and models.encoder.layout.signals:
        return shown_layout(models.encoder.layout)
    return shown_layout(layout_of(deployment.topics))


def _view_graph(args: argparse.Namespace, layout: SensorLayout, deployment: Deployment) -> None:
    from m2r2_ros.viewing.graph_view import GraphView

    with held_back(signal.SIGINT, signal.SIGTERM) as ended:
        view = GraphView(layout, deployment, _is_filled(ended), _say, _warn)
        if args.text:
            view.as_text()
        elif args.rerun:
            view.in_rerun(args.out)
        else:
            view.in_foxglove(args.host, args.port)


def _view_recording(
    args: argparse.Namespace, layout: SensorLayout, deployment: Deployment, models: Models | None
) -> None:
    from m2r2_ros.viewing.recording_view import (
        recorded_results,
        recording_in_foxglove,
        recording_in_rerun,
    )

    with open_source(args.recording, deployment.topics) as source:
        results = recorded_results(
            args.results or args.recording, source, models, deployment, _warn
        )
        if args.rerun:
            recording_in_rerun(source, layout, results, deployment, args.out, _warn)
            return
        with held_back(signal.SIGINT, signal.SIGTERM) as ended:
            address = args.host, args.port
            recording_in_foxglove(source, layout, results, address, _is_filled(ended), _say, _warn)


def _is_filled(signals: list[int]) -> Callable[[], bool]:
    return lambda: bool(signals)


def _say(line: str) -> None:
    print(printable(line), flush=True)


def _warn(line: str) -> None:
    print(printable(line), file=sys.stderr)
