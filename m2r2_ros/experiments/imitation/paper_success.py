# SPDX-License-Identifier: Apache-2.0
"""Success in percent as RoboAct-CLIP prints it, Tables II and III: four tasks of Franka Kitchen,
overall. Another robot and other tasks: what can be compared is the order."""

from __future__ import annotations

from m2r2_ros.networks.roboact.config import ENDS, TRANSFORMER, RoboActConfig

# CLIP frozen, without training on videos.
CLIP_OVERALL = 51.0
_OVERALL = {(TRANSFORMER, True): 76.5, (ENDS, True): 66.0, (TRANSFORMER, False): 70.0}


def published_success(config: RoboActConfig) -> float | None:
    """Of RoboAct-CLIP or one of its ablations; None for what the paper does not have."""
    return _OVERALL.get((config.motion, config.disentangle))
