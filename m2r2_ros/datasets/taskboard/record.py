# SPDX-License-Identifier: Apache-2.0
"""One seed, one recording: run the session, sense it, hear it, film it, label it."""

from __future__ import annotations

import numpy as np

from m2r2_ros.datasets.recording import AudioTrack, RecordingData

from . import audio
from .cameras import Studio
from .journal import actions_from_attempts
from .layout import sample_layout
from .objects import BY_NAME
from .plan import Session, sample_on_board
from .recorder import Recorder
from .rig import Rig
from .sensors import sense
from .settings import RecordingSettings
from .tape import Tape
from .workcell import Workcell

_SETTLE_S = 0.3  # before the recording: parts fall into place


class Simulator:
    """A compiled cell with its cameras; each `record` starts anew from a seed."""

    def __init__(self, settings: RecordingSettings):
        self._settings = settings
        self._cell = Workcell(draw=bool(settings.cameras))
        self._studio = Studio(self._cell.model) if settings.cameras else None

    def record(self, seed: int, name: str) -> RecordingData:
        """The recording of a seed. Its videos are drawn when their frames are iterated.

        Labels and signals depend on seed and attempts alone, not on what is filmed.
        """
        streams = np.random.SeedSequence(seed).spawn(4)
        session, sensors, sound, pictures = (np.random.default_rng(s) for s in streams)
        tape, rig = self._run(session)
        data = RecordingData(
            name,
            signals=sense(tape, sensors),
            audio={"hand_audio": _listen(tape, sound)},
            actions=actions_from_attempts(rig.journal.attempts, tape.duration_s),
        )
        if self._studio:
            still = self._cell.data.mocap_pos, self._cell.data.mocap_quat
            data.videos = self._studio.film(
                tape, still, self._settings.cameras, self._settings.frame_rate_hz, pictures
            )
        return data

    def _run(self, rng: np.random.Generator) -> tuple[Tape, Rig]:
        on_board = sample_on_board(rng)
        layout = sample_layout(rng, frozenset(BY_NAME[name].part for name in on_board))
        self._cell.reset(layout)
        Rig(self._cell).wait(_SETTLE_S)
        self._cell.data.time = 0.0
        recorder = Recorder(self._cell)
        rig = Rig(self._cell, recorder)
        Session(rig, layout, on_board, rng).work(self._settings.attempts)
        return recorder.tape(), rig


def _listen(tape: Tape, rng: np.random.Generator) -> AudioTrack:
    finger_speed = np.abs(tape.fingers[:, 2:]).mean(axis=1)
    samples = audio.synthesise(
        tape.impact,
        tape.scrape,
        finger_speed,
        tape.arm[:, 7:14],
        tape.step_s,
        tape.tick_s,
        rng,
    )
    return AudioTrack(samples, audio.RATE_HZ)
