# SPDX-License-Identifier: Apache-2.0
"""Pictures of cameras as viewers show them: few, small, and those that cannot be shown said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inspection.small_pictures import PLAYED_HZ, small_jpeg
from m2r2_ros.viewing.thinning import Thinning

# Of a shown picture: 640 x 480.
_MOST_PIXELS, _QUALITY = 640 * 480, 80

# A JPEG, and its (height, width).
Jpeg = tuple[bytes, tuple[int, int]]


class ShownPictures:
    """`problems`: why pictures of a camera cannot be shown, by its name: of the first of them."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self._thinning = Thinning(PLAYED_HZ)

    def jpeg(self, camera: str, stamp_ns: int, picture: Callable[[], np.ndarray]) -> Jpeg | None:
        """None for one that is not needed, or cannot be decoded."""
        if not self._thinning.keeps(camera, np.array([stamp_ns])).all():
            return None
        try:
            return small_jpeg(picture, _MOST_PIXELS, _QUALITY)
        except M2R2Error as error:
            self.problems.setdefault(camera, f"{camera}: pictures cannot be shown: {error}")
            return None

    def forget(self) -> None:
        """The next picture is needed, whatever was shown before."""
        self._thinning.forget()
