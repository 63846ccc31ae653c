# SPDX-License-Identifier: Apache-2.0
"""Frames of PyAV as arrays."""

from __future__ import annotations

import av
import numpy as np

# From version 17 on, PyAV starts a pool of threads for every picture that it converts, which costs
# many times what the conversion does.
CONVERSION = {"threads": 1} if int(av.__version__.partition(".")[0]) >= 17 else {}


def rgb(frame: av.VideoFrame) -> np.ndarray:
    """Turn a decoded frame into RGB uint8 (H, W, 3)."""
    return frame.to_ndarray(format="rgb24", **CONVERSION)
