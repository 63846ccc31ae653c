# SPDX-License-Identifier: Apache-2.0
"""Names of what the nodes publish and serve, for those without ROS, too.

They are relative: robots in namespaces of their own do not hear each other. All robots share
/diagnostics, whose statuses name their node.
"""

from __future__ import annotations

WINDOW_TOPIC = "m2r2/window"
FEATURE_TOPIC = "m2r2/features"
PREDICTION_TOPIC = "m2r2/frame_prediction"
SEGMENT_TOPIC = "action_segment"
DIAGNOSTICS_TOPIC = "/diagnostics"
PAUSE_SERVICE = "m2r2/pause"
TEXT_TOPIC = "m2r2/segment_text"
