# SPDX-License-Identifier: Apache-2.0
"""The value that travels from the encoder to the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class WindowFeature:
    """The encoder's feature, `values` float32 (D,), of window `index` over [start_ns, end_ns).

    `encoder_sha256` names the encoder; `mask` is the window's, in the layout's order.
    """

    index: int
    start_ns: int
    end_ns: int
    values: np.ndarray
    encoder_sha256: str
    mask: tuple[bool, ...]
