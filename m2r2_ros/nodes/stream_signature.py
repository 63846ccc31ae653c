# SPDX-License-Identifier: Apache-2.0
"""Notices when another sensor begins to publish on a topic."""

from __future__ import annotations

from m2r2_ros.datasets.input_types import other_frame
from m2r2_ros.messages.cdr import STAMP_END, CdrReader, MessageError
from m2r2_ros.messages.images import IMAGE_TYPES, picture_format


class StreamSignature:
    """The properties that a topic's messages share: frame_id, size and encoding of pictures.

    A change means another sensor, mounting or driver, and features that the models have not been
    trained on.

    first, now   as of the first and of the newest message.
    changes      how often it has changed.
    """

    def __init__(self, frame: str = "") -> None:
        """`frame`: the frame_id that is expected, "" for any."""
        self._expected = frame
        self._frame = frame
        self.first = self.now = ""
        self.changes = 0
        # The bytes behind the stamp that hold these properties.
        self._bytes: bytes | None = None

    def note(self, type_name: str, message: bytes) -> None:
        """Look at the newest message of a batch."""
        if self._bytes is not None and message.startswith(self._bytes, STAMP_END):
            return
        try:
            reader = CdrReader(message)
            frame = reader.header()[1]
            signature = f"frame '{frame}'"
            if type_name in IMAGE_TYPES:
                signature = f"{picture_format(type_name, reader)} in {signature}"
        except MessageError:
            return
        self._frame = frame
        self._bytes = message[STAMP_END : reader.position]
        is_other = self._expected not in ("", frame)
        # A frame that is not the expected one is a change from the first message on.
        self.changes += signature != self.now if self.now else is_other
        self.first = self.first or signature
        self.now = signature

    @property
    def complaint(self) -> str:
        """The differences from what is expected, or from the first message; "" without any."""
        if self._expected and self._frame != self._expected:
            return other_frame(self._frame, self._expected)
        return "" if self.now == self.first else f"{self.first} has become {self.now}"
