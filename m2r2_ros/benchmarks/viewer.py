# SPDX-License-Identifier: Apache-2.0
"""`m2r2 view` with somebody who looks at everything, as a program that a load is put on.

Run as a program of its own with the arguments of a node: python3 -m m2r2_ros.benchmarks.viewer
--ros-args -p models:=DIR -p topics.hand:=/topic ... When it is interrupted it prints, as JSON, how
many messages were looked at.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from m2r2_ros.benchmarks.foxglove_looker import look
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.parallel.held_signals import held_back
from m2r2_ros.viewing.graph_view import GraphView
from m2r2_ros.viewing.recorded_show import shown_layout
from m2r2_ros.viewing.streams import RESULTS


def main() -> int:
    """Show and look until a signal comes."""
    given = dict(word.split(":=", 1) for word in sys.argv[1:] if ":=" in word)
    encoder = read_encoder_metadata(Path(given.pop("models")) / ENCODER_FILE)
    layout = shown_layout(encoder.layout)
    channels = 2 * len(layout.cameras) + len(layout.signals) + len(RESULTS)
    seen: list[int] = []

    def looker(line: str) -> None:
        _, is_address, url = line.partition("open ")
        if is_address:
            threading.Thread(target=_count, args=(url, channels, seen), daemon=True).start()

    with held_back(signal.SIGINT, signal.SIGTERM) as ended:
        deployment = Deployment(TopicMap.from_parameters(given))
        has_ended: Callable[[], bool] = lambda: bool(ended)  # noqa: E731
        GraphView(layout, deployment, has_ended, looker, print).in_foxglove("127.0.0.1", 0)
    print(json.dumps({"messages": len(seen), "bytes": sum(seen)}))
    return 0


def _count(url: str, channels: int, seen: list[int]) -> None:
    for size in look(url, channels):
        seen.append(size)


if __name__ == "__main__":
    sys.exit(main())
