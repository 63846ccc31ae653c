# SPDX-License-Identifier: Apache-2.0
"""Read REASSEMBLE HDF5 files, the grouped and the older form, with all their defects.

A stream that is missing or damaged is named in `problems` and left out; the rest is read.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from m2r2_ros.datasets import media
from m2r2_ros.datasets.clocks import on_clock
from m2r2_ros.datasets.hdf5 import member_names, open_hdf5, read_payload
from m2r2_ros.datasets.reassemble_format import AUDIO_STREAMS, CAMERAS, SIGNAL_WIDTHS
from m2r2_ros.datasets.reassemble_labels import read_actions
from m2r2_ros.datasets.reassemble_state import QUATERNION_ORDERS, Clocks, RobotState, Stamped
from m2r2_ros.datasets.video_by_index import VideoByIndex
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.av_frames import rgb

# Start of a recording whose name is not a date.
EPOCH_WITHOUT_DATE_S = 1_700_000_000


@contextmanager
def open_recording(
    path: Path | str, quaternion_order: str = "auto"
) -> Iterator[ReassembleRecording]:
    """Open a recording for reading.

    quaternion_order  the order in which a grouped file keeps `pose`: "xyzw", "wxyz", or "auto":
                      what the file states, else what its values show, else "wxyz" (the format's
                      own description).
    Raises M2R2Error when the file is absent, no HDF5, damaged as a whole, or holds no stream.
    """
    if quaternion_order not in QUATERNION_ORDERS:
        raise M2R2Error(f"quaternion order '{quaternion_order}' is not one of {QUATERNION_ORDERS}")
    with open_hdf5(Path(path)) as file:
        recording = ReassembleRecording(Path(path), file, quaternion_order)
        if not (recording.cameras or recording.audio_streams or recording.signals):
            raise M2R2Error(f"{path}: not a REASSEMBLE recording (no camera, audio or robot state)")
        yield recording


class ReassembleRecording:
    """One open file. Stamps are int64 nanoseconds: `epoch_ns` plus the time in the recording.

    name      the file's name without its suffix.
    cameras, audio_streams, signals   names of the streams that are there.
    actions   ground truth in order of time; None when the file has none.
    complete  whether none of them had to be left out.
    problems  what is missing or odd, a line each; reading a stream may add to it.
    """

    def __init__(self, path: Path, file: h5py.File, quaternion_order: str) -> None:
        self.path = path
        self.name = path.stem
        self.epoch_ns = epoch_ns(self.name)
        self.problems: list[str] = []
        self._file = file
        self._videos: dict[str, VideoByIndex] = {}
        self._clocks = Clocks(file, self.epoch_ns, self._report)
        self._state = RobotState(file, self._clocks, quaternion_order, self._report)
        members = member_names(file)
        self.cameras = self._present("camera", CAMERAS, members)
        self.audio_streams = self._present("audio", AUDIO_STREAMS, members)
        self.signals = self._present("signal", SIGNAL_WIDTHS, self._state.names)
        self.actions, self.complete = read_actions(file, self._clocks.from_start, self._report)

    def frames(self, camera: str) -> Iterator[tuple[int, Callable[[], np.ndarray]]]:
        """Yield (stamp_ns, picture) in order; `picture()` is uint8 (H, W, 3) RGB.

        Ends at the last frame that can be decoded; frames without a usable time are left out.
        """
        try:
            stamps, usable = self._clocks.stamps(camera)
            payload = read_payload(self._file, camera)
        except M2R2Error as error:
            self._report(f"camera '{camera}' is left out: {error}")
            return
        count = 0
        try:
            for count, frame in enumerate(media.decode_video(payload), start=1):
                if count <= len(stamps) and usable[count - 1]:
                    yield int(stamps[count - 1]), lambda frame=frame: rgb(frame)
        except media.MediaError as error:
            self._report(f"camera '{camera}' ends after {count} frames: {error}")
        if count != len(stamps):
            self._report(f"camera '{camera}': {count} frames, {len(stamps)} timestamps")

    def frames_between(
        self, camera: str, start_ns: int, end_ns: int
    ) -> Iterator[tuple[int, Callable[[], np.ndarray]]]:
        """As `frames`, of those stamped in [start_ns, end_ns), without decoding what comes before.

        The video stays in memory for the next time.
        """
        try:
            stamps, usable = self._clocks.stamps(camera)
            if camera not in self._videos:
                self._videos[camera] = VideoByIndex(read_payload(self._file, camera))
            first, last = np.searchsorted(stamps, [start_ns, end_ns])
            for index, picture in self._videos[camera].pictures(int(first), int(last)):
                if usable[index]:
                    yield int(stamps[index]), picture
        except M2R2Error as error:
            self._report(f"camera '{camera}' is left out: {error}")

    def stamps(self, stream: str) -> np.ndarray:
        """Usable stamps int64 (N,) of a camera or signal, without its data; empty if none."""
        try:
            names = (stream,) if stream in CAMERAS else self._state.clock_names(stream)
            stamps, usable = self._clocks.stamps(*names)
        except M2R2Error:
            return np.zeros(0, np.int64)
        return stamps[usable]

    @property
    def duration_s(self) -> float:
        """Seconds from the recording's start to the last stamp of a camera or signal."""
        tracks = [self.stamps(name) for name in (*self.cameras, *self.signals)]
        return max((int(t[-1]) - self.epoch_ns for t in tracks if len(t)), default=0) / 1e9

    def audio(self, stream: str) -> tuple[np.ndarray, int] | None:
        """Samples float32 (N, channels) and rate [Hz]; sample 0 is stamped `epoch_ns`."""
        try:
            return media.decode_audio(read_payload(self._file, stream))
        except M2R2Error as error:
            self._report(f"audio '{stream}' is left out: {error}")
            return None

    def signal(self, name: str) -> Stamped | None:
        """Stamps int64 (N,), strictly increasing, and values float64 (N, D) of a robot signal.

        Values are as recorded, NaN included; a pose is x, y, z, qx, qy, qz, qw. None when the
        signal is missing or damaged.
        """
        if name not in self.signals:
            return None
        try:
            return self._state.signal(name)
        except M2R2Error as error:
            self._report(f"signal '{name}' is left out: {error}")
            return None

    def wrench(self, prefix: str = "measured") -> Stamped | None:
        """Force and torque (N, 6) on the clock of the force, while both were measured.

        `prefix` is "measured" (at the wrist) or "compensated_base".
        """
        force, torque = self.signal(f"{prefix}_force"), self.signal(f"{prefix}_torque")
        if force is None or torque is None or not len(torque[0]):
            return None
        both = (force[0] >= torque[0][0]) & (force[0] <= torque[0][-1])
        stamps = force[0][both]
        return stamps, np.hstack([force[1][both], on_clock(stamps, *torque)])

    def _present(self, kind: str, names: Iterable[str], members: Iterable[str]) -> tuple[str, ...]:
        there = set(members)
        missing = [name for name in names if name not in there]
        if missing:
            self._report(f"no {kind}: {', '.join(missing)}")
        return tuple(name for name in names if name in there)

    def _report(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def epoch_ns(name: str) -> int:
    """Nanoseconds since 1970 at which the recording `name` ("2025-01-10-15-28-50") starts."""
    try:
        return calendar.timegm(time.strptime(name[:19], "%Y-%m-%d-%H-%M-%S")) * 10**9
    except (ValueError, OverflowError):
        return EPOCH_WITHOUT_DATE_S * 10**9
