# SPDX-License-Identifier: Apache-2.0
"""Label recordings on a page in the browser: see, hear, cut, name.

The page is served on this machine only; its address, with a token, is printed. Each change is
written at once to RECORDING.labels.json beside the recording, which is never written to.

Examples:
    m2r2 label recordings/taskboard_demo.h5
    m2r2 label bags --config robot.yaml --vocabulary vocabulary.yaml
    m2r2 label my_bag --models models/taskboard_compact
    m2r2 label my_bag --models models/roboact_compact --config config/named_actions.yaml
"""

from __future__ import annotations

import argparse
from pathlib import Path

from m2r2_ros.cli._config import add_shown_layout, load_deployment
from m2r2_ros.cli._models import given_models
from m2r2_ros.cli._recordings import given_recordings
from m2r2_ros.datasets.vocabulary_file import read_vocabulary
from m2r2_ros.inference.models import Models
from m2r2_ros.inspection.inspection import layout_of
from m2r2_ros.sensing.layout_file import load_layout

DEFAULT_PORT = 8765


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings",
        type=Path,
        nargs="+",
        metavar="RECORDING",
        help="REASSEMBLE .h5, rosbag2 folder, .mcap or .db3, or a folder of these",
    )
    parser.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="models folder, or org/name@revision of a hub, whose segments are proposed",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help="of this machine, 0: any (default: %(default)s)",
    )
    parser.add_argument(
        "--vocabulary",
        type=Path,
        metavar="YAML",
        help="the labels to choose from (default: the vocabulary.yaml beside the recording)",
    )
    parser.add_argument("--config", type=Path, help="parameter file of the nodes: topics, limits")
    add_shown_layout(parser)


def main(args: argparse.Namespace) -> int:
    deployment = load_deployment(args.config)
    models = (
        Models.load(given_models(args.models), False, deployment.actions) if args.models else None
    )
    vocabulary = read_vocabulary(args.vocabulary) if args.vocabulary else None
    if args.layout:
        layout = load_layout(args.layout)
    elif models and models.encoder.layout.signals:
        layout = models.encoder.layout
    else:
        # Who labels sees more than an encoder of pictures alone.
        layout = layout_of(deployment.topics)
    # Late, so that `--help` and what the other arguments lack need no server.
    from m2r2_ros.labelling.app import LabellingApp
    from m2r2_ros.labelling.desk import DeskSettings
    from m2r2_ros.labelling.proxies import cache_root
    from m2r2_ros.labelling.server import serve, token_of

    cache = cache_root()
    settings = DeskSettings(layout, cache, deployment, models, vocabulary)
    app = LabellingApp(given_recordings(args.recordings), settings)
    # So that what cannot be read is said here, not on the page.
    app.desk(0)
    serve(app, args.port, token_of(cache), _say)
    return 0


def _say(address: str) -> None:
    print(f"open {address}\n(Ctrl-C ends)", flush=True)
