# SPDX-License-Identifier: Apache-2.0
"""The nodes `synchronizer`, `feature_extractor` and `segmenter` in one process.

Sensor topics in, /action_segment out. Windows and features are handed over in memory; their
topics are published only to subscribers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from m2r2_ros.nodes.feature_extractor import FeatureExtractor
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.process import run
from m2r2_ros.nodes.segmenter import Segmenter
from m2r2_ros.nodes.synchronizer import Synchronizer


def compose() -> Sequence[ManagedNode]:
    """The chain, from upstream to downstream."""
    segmenter = Segmenter(composed=True)
    extractor = FeatureExtractor(on_feature=segmenter.accept)
    synchronizer = Synchronizer(on_windows=extractor.accept, on_picture=extractor.begin)
    return [synchronizer, extractor, segmenter]


def main() -> int:
    """Run all three nodes."""
    return run(compose, __doc__)


if __name__ == "__main__":
    sys.exit(main())
