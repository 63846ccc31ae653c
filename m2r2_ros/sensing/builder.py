# SPDX-License-Identifier: Apache-2.0
"""Streams in, windows out: the one preprocessing of live topics and of recordings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import Any, TypeVar

import numpy as np

from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.sensing.audio_stream import AudioStream
from m2r2_ros.sensing.camera_stream import Ahead, CameraStream, Image
from m2r2_ros.sensing.clock_offsets import ClockReading
from m2r2_ros.sensing.clock_troubles import ClockStates, ClockTrouble, clock_troubles
from m2r2_ros.sensing.counters import Counters
from m2r2_ros.sensing.derived_signals import DerivedSignals
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.limits import SensingLimits, to_ns
from m2r2_ros.sensing.memory_budget import MemoryBudget
from m2r2_ros.sensing.pending_samples import Batch
from m2r2_ros.sensing.signal_stream import SignalStream
from m2r2_ros.sensing.stream import Stream
from m2r2_ros.sensing.stream_progress import StreamProgress
from m2r2_ros.sensing.time_line import Jump, TimeLine, Verdict
from m2r2_ros.sensing.window import SensorWindow
from m2r2_ros.sensing.window_grid import WindowGrid

StreamType = TypeVar("StreamType")

LATE = "it comes later than windows wait for it (max_wait_s)"


class WindowBuilder:
    """Collects stamped samples and closes windows between reference frames.

    Add what has arrived, then `poll`. A window's content follows from stamps and values alone: it
    is the same, bit for bit, however the samples were batched, as long as none came late. Stamps
    are integer nanoseconds of any epoch. Not thread-safe.

    `reference_camera` is the layout's first camera unless named. Pictures of more than `max_pixels`
    (`EncoderMetadata.max_pixels`) are made smaller on the way in. Raises M2R2Error for a name that
    is not in the layout, and for limits that need more memory than they allow.
    """

    def __init__(
        self,
        layout: SensorLayout,
        limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
        reference_camera: str | None = None,
        max_pixels: int | None = None,
    ) -> None:
        self.layout = layout
        self.counters = Counters(layout.modalities)
        counts = self.counters.streams
        # The other half is for what has not come as far as here: see nodes/sources.
        self.budget = MemoryBudget(limits.buffer_mb / 2)
        for name, nbytes in _fixed_bytes(layout, limits).items():
            self.budget.reserve(name, nbytes)
        self._cameras = {
            n: CameraStream(n, limits, counts[n], self.budget, max_pixels) for n in layout.cameras
        }
        self._audio = {n: AudioStream(layout, limits, counts[n]) for n in [AUDIO] * layout.audio}
        self._signals = {
            n: SignalStream(signal, layout.signal_rate(n), limits, counts[n])
            for n, signal in layout.signals.items()
        }
        self._derived = DerivedSignals(layout.derived, limits)
        self._streams: dict[str, Stream] = {**self._cameras, **self._audio, **self._signals}
        self._reference = self._find_reference(reference_camera)
        # A derived signal has no clock of its own: it goes where its source goes.
        self._source = {name: dict(layout.derived).get(name, name) for name in self._streams}
        sensed = {name: self._streams[name] for name in layout.sensed}
        self._progress = StreamProgress(sensed, limits)
        self._time_line = TimeLine(
            to_ns(limits.jump_s),
            to_ns(limits.max_wait_s),
            self._reference.name if self._reference else None,
        )
        self._clear()

    def _find_reference(self, name: str | None) -> CameraStream | None:
        if name is None:
            return next(iter(self._cameras.values()), None)
        return _find(self._cameras, name, "camera")

    def _clear(self) -> None:
        self._grid = WindowGrid(self.layout.period_ns, self.layout.longest_window_ns)
        self._index = 0
        self._time_line.clear()
        self._progress.clear()
        self._derived.clear()
        for stream in self._streams.values():
            stream.clear()

    def add_image(self, camera: str, stamp_ns: int, image: Image) -> None:
        """Add a frame, uint8 (H, W, 3) RGB, or a function that decodes it if a window shows it.

        A frame of another shape, or whose function raises M2R2Error, is counted and left out.
        The array is kept, not copied.
        """
        _find(self._cameras, camera, "camera").add(stamp_ns, image)

    def fitted(self, camera: str, image: Image) -> Image | None:
        """A frame as it may wait elsewhere before it is added: made smaller if it is far too large.

        None when it cannot be decoded, which is counted.
        """
        return _find(self._cameras, camera, "camera").fitted(image)

    def add_signal(self, name: str, stamps_ns: np.ndarray, values: np.ndarray) -> None:
        """Add rows: stamps int64 (n,), values float (n, D) in the units of the layout.

        Rows with NaN, inf or out of range are counted and mask the windows they touch.
        """
        _find(self._signals, name, "signal").add(stamps_ns, values)

    def add_audio(self, stamp_ns: int, samples: np.ndarray, rate_hz: int) -> None:
        """Add a chunk: float32 (n, channels) or (n,), the first sample stamped `stamp_ns`."""
        _find(self._audio, AUDIO, "audio").add(stamp_ns, samples, rate_hz)

    def explain(self, stream: str, reason: str) -> None:
        """Keep the reason why the newest message of a stream could not be added."""
        self.counters.streams[stream].reason = reason

    def remark(self, stream: str, notice: str) -> None:
        """Say what is odd of a stream's newest message, "" for nothing."""
        self.counters.streams[stream].notice = notice

    def expect(self, streams: Collection[str]) -> None:
        """Name the streams that can bring data: windows do not wait for the others.

        All that are sensed, unless named. It stays through `reset`.
        """
        self._progress.expected = frozenset(streams)

    def poll(self) -> list[SensorWindow]:
        """Return the windows that can be closed. Call it after all that has arrived was added.

        When time has jumped (a bag loop), the windows before the jump come first, then those
        after it with the index at 0 again, and `counters.resets` counts up.
        """
        windows = self._follow()
        return windows + self._close(limit_ns=self._time_line.holds_ns)

    def _follow(self, final: bool = False) -> list[SensorWindow]:
        """Take in what has arrived; return the windows before a jump of time."""
        verdict = self._judge(final)
        if not verdict or not verdict.jump:
            return []
        jump = verdict.jump
        windows = []
        if jump.left or jump.is_anew:
            windows = self._close(final=True, limit_ns=jump.end_ns)
        if jump.is_anew:
            self.counters.resets += bool(windows) or self._index > 0
            self._clear()
            self._time_line.leave_behind(jump)
        else:
            self._step(jump)
        self._judge(final)
        return windows

    def _step(self, jump: Jump) -> None:
        """Most streams have stepped by less than a jump: what has come of the others is not seen.

        How much it was would depend on delivery.
        """
        self._time_line.step(jump)
        self._progress.leave_out(jump.left)
        for name, stream in self._streams.items():
            if self._source[name] in jump.left:
                stream.clear()

    def wait_ns(self) -> tuple[int, int] | None:
        """How long until the next window should close, at least and at most, in stream time.

        None while no frame ends it. When one is here, other streams are waited for; (0, 0) when
        they are late.
        """
        if self._reference is None or self._grid.start_ns is None:
            return None
        end = self._grid.next_end(self._reference.stamps, -inf)
        return None if end is None else self._progress.wait_ns(end[0])

    def frame_wait_ns(self, stamp_ns: int) -> float:
        """How long a reference frame that comes now has to wait for the others, in stream time.

        Ask before it is added: the window that ends with it should be complete then. inf when it
        leaves the next window open, 0 when only `poll` can tell, as after a jump of time.
        """
        start = self._grid.start_ns
        if self._reference is None or start is None:
            return 0
        if not start < stamp_ns <= start + self.layout.longest_window_ns:
            return 0
        if stamp_ns < self._grid.earliest_end():
            return inf
        others = self._progress.expected - {self._reference.name}
        return max(0, self._progress.expected_by(stamp_ns, others) - stamp_ns)

    def lacking(self) -> set[str]:
        """The live streams of which the next window's end has not come, by all that was added.

        Empty where nothing tells that end. For who looks again before `poll` is worth its time.
        """
        end_ns = self._expected_end()
        if end_ns is None:
            return set()
        alive = self._progress.expected & self._progress.alive()
        return {name for name in alive if self._streams[name].reaches() < end_ns}

    def pictures_ahead(self) -> dict[str, Ahead]:
        """Of each camera what the next window will show, where that has come.

        For who works ahead: a window may turn out to end elsewhere and show another frame.
        """
        end_ns = self._expected_end()
        if end_ns is None:
            return {}
        found = ((name, camera.shown_at(end_ns)) for name, camera in self._cameras.items())
        return {name: ahead for name, ahead in found if ahead}

    def _expected_end(self) -> int | None:
        """Where the next window should end: at a reference frame that has come, or is due then."""
        if self._reference is None or self._grid.start_ns is None:
            return None
        earliest_ns, frames = self._grid.earliest_end(), self._reference.held_stamps()
        if not frames:
            return None
        interval_ns = max(1, self._reference.interval_ns())
        due_ns = frames[-1] - (frames[-1] - earliest_ns) // interval_ns * interval_ns
        return min((stamp for stamp in frames if stamp >= earliest_ns), default=due_ns)

    def clock_readings(self) -> dict[str, ClockReading]:
        """Offset of each stream to the others and its drift, by stamps, after a second of it."""
        return self._time_line.offsets.read()

    def clock_troubles(self) -> list[ClockTrouble]:
        """Which streams are left out because of their clock, and which may be soon."""
        clocks = self._time_line.clocks
        return clock_troubles(
            ClockStates(
                readings=self.clock_readings(),
                active=clocks.active,
                astray=clocks.astray & clocks.active,
                late=clocks.in_step() & self._progress.late(),
                reference=clocks.reference,
                jump_s=clocks.jump_ns / 1e9,
                patience_s=lambda name: self._progress.patience_ns(name) / 1e9,
            )
        )

    def flush(self) -> list[SensorWindow]:
        """Close all windows that the samples reach, without waiting (end of a recording)."""
        return self._follow(final=True) + self._close(final=True)

    def reset(self) -> None:
        """Forget all samples and start with window 0; the counts stay."""
        for stream in self._streams.values():
            stream.inbox.clear()
        self._clear()

    def _judge(self, final: bool) -> Verdict | None:
        """Hand the streams the samples that belong to the present."""
        verdict = self._time_line.judge(self._streams, self._progress.alive, final)
        if verdict is None:
            return None
        delivered = []
        for name, accepted in verdict.accepted.items():
            stream = self._streams[name]
            batches = stream.inbox.take(accepted, verdict.waiting.get(name), verdict.present_ns)
            if name in verdict.astray:
                stream.counters.reason = self._time_line.why_astray(name)
            if batches:
                stream.ingest(batches)
                delivered.append(name)
                self._derive(name, batches)
        if delivered:
            self._progress.note(delivered)
        self._progress.leave_out(verdict.astray)
        return verdict

    def _derive(self, source: str, batches: list[Batch]) -> None:
        """Compute what the accepted samples of a signal give."""
        if source not in dict(self.layout.derived).values():
            return
        stamps = np.concatenate([stamps for stamps, _ in batches])
        rows = np.concatenate([rows for _, rows in batches])
        for name, samples in self._derived.add(source, stamps, rows).items():
            self._signals[name].ingest_derived(*samples)

    def _close(self, final: bool = False, limit_ns: float = inf) -> list[SensorWindow]:
        progress = self._progress
        if progress.present_ns is None or not self._begin(inf if final else progress.decided_ns()):
            return []
        windows = []
        while (end := self._next_end(final)) and end[0] <= limit_ns:
            windows.append(self._build(*end))
        return windows

    def _next_end(self, final: bool) -> tuple[int, bool] | None:
        """End of the next window that can be closed, and whether a frame is there."""
        progress = self._progress
        progress.turn(self._grid.start_ns)
        frames: Sequence[int] = ()
        frames_known: float = inf
        if self._reference and not final:
            frames_known = progress.samples_until(self._reference.name)
        if self._reference and not progress.is_late(self._reference.name, frames_known):
            frames = self._reference.stamps
        end = self._grid.next_end(frames, frames_known)
        known = progress.last_ns if final else progress.known_until()
        return end if end and end[0] <= known else None

    def _begin(self, decided_ns: float) -> bool:
        """Find the start of the first window; False while samples before it may still come.

        It is the first reference frame, or the first sample of any stream when no frame follows
        it within a window.
        """
        if self._grid.start_ns is not None:
            return True
        oldest = (stream.oldest_ns for stream in self._streams.values())
        start = min((stamp for stamp in oldest if stamp is not None), default=None)
        if start is None or self._awaits_first(decided_ns - start):
            # All that had come was dropped for the bytes that it took, or sound is on its way.
            return False
        decided_at = start
        if self._reference:
            decided_at = start + self.layout.longest_window_ns
            frames = self._reference.stamps
            if frames and frames[0] <= decided_at:
                start = decided_at = frames[0]
        if decided_at > decided_ns:
            return False
        self._grid.begin(start)
        return True

    def _awaits_first(self, passed_ns: float) -> bool:
        """Whether, so long after the first sample, that of a stream that comes late is missing."""
        streams = (self._streams[name] for name in self._progress.expected)
        return any(s.newest_ns is None and passed_ns <= s.first_wait_ns for s in streams)

    def _build(self, end_ns: int, has_frame: bool) -> SensorWindow:
        start = self._grid.start_ns
        data = {name: self._part(name, start, end_ns) for name in self._streams}
        mask = {name: part is not None for name, part in data.items()}
        window = SensorWindow(
            index=self._index,
            start_ns=start,
            end_ns=end_ns,
            images={name: data[name] for name in self._cameras if mask[name]},
            audio=data[AUDIO] if mask.get(AUDIO) else np.empty(0, np.float32),
            signals={name: data[name] for name in self._signals if mask[name]},
            mask=mask,
        )
        self._count(mask, has_frame)
        self._index += 1
        self._grid.advance(end_ns)
        return window

    def _part(self, name: str, start_ns: int, end_ns: int) -> Any | None:
        """A stream's part of a window, None when it is no measurement.

        What has come by now of a stream that lags would depend on how messages were delivered.
        """
        part = self._streams[name].window(start_ns, end_ns)
        if self._progress.is_late(self._source[name], end_ns):
            self.counters.streams[name].absence = LATE
            return None
        return part

    def _count(self, mask: dict[str, bool], has_frame: bool) -> None:
        self.counters.windows += 1
        # A layout without cameras has windows of a fixed rate and nothing to miss.
        self.counters.gap_windows += bool(self._cameras) and not has_frame
        for name, present in mask.items():
            self.counters.streams[name].masked += not present


def _fixed_bytes(layout: SensorLayout, limits: SensingLimits) -> dict[str, int]:
    """What the samples of the other streams take at most."""
    sizes = {n: SignalStream.most_bytes(s, limits) for n, s in layout.signals.items()}
    return sizes | ({AUDIO: AudioStream.most_bytes(limits)} if layout.audio else {})


def _find(streams: Mapping[str, StreamType], name: str, kind: str) -> StreamType:
    try:
        return streams[name]
    except KeyError:
        hint = nearest_name(name, streams)
        raise M2R2Error(f"the sensor layout has no {kind} '{name}'{hint}") from None
