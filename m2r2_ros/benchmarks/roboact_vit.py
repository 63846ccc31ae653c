# SPDX-License-Identifier: Apache-2.0
"""As `roboact`, with a frozen encoder of the size of CLIP's ViT-B/16 and random weights.

The paper's frozen encoder is a CLIP; what it costs does not depend on what it has learned. The rest
is as wide as CLIP's embedding.
"""

from __future__ import annotations

from typing import Any

from m2r2_ros.benchmarks.options import Options
from m2r2_ros.benchmarks.roboact import measure, write_untrained

# New frames in one measurement: the naive way embeds sixteen pictures for each.
FRAMES = 2


def run(options: Options) -> dict[str, Any]:
    """CPU seconds for `FRAMES` new frames of one camera, ours and the naive way."""
    # Late: only this needs torch.
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    from m2r2_ros.networks.roboact.config import RoboActConfig
    from m2r2_ros.networks.roboact.frames import ClipFrames

    sizes = CLIPVisionConfig(
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        image_size=224,
        patch_size=16,
        projection_dim=512,
    )
    frames = ClipFrames(CLIPVisionModelWithProjection(sizes)).requires_grad_(False).eval()
    folder = options.logs / "roboact_vit"
    write_untrained(folder, frames, RoboActConfig(width=512, heads=8))
    return measure(folder, FRAMES, options.repetitions)
