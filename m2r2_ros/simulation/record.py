# SPDX-License-Identifier: Apache-2.0
"""One seed, one recording: run the session, sense it, hear it, film it, label it."""

from __future__ import annotations

import numpy as np

from m2r2_ros.datasets.recording import RecordingData
from m2r2_ros.simulation.board_layout import moved, poses_anywhere, sample_layout
from m2r2_ros.simulation.cameras import Studio
from m2r2_ros.simulation.defects import damage, defect_of
from m2r2_ros.simulation.delays import delay
from m2r2_ros.simulation.difficulties import day_stream, stream
from m2r2_ros.simulation.habits import habits_of
from m2r2_ros.simulation.journal import actions_from_attempts
from m2r2_ros.simulation.objects import BY_NAME
from m2r2_ros.simulation.plan import Session, sample_on_board
from m2r2_ros.simulation.recorder import Recorder
from m2r2_ros.simulation.recording_settings import RecordingSettings
from m2r2_ros.simulation.rig import Rig
from m2r2_ros.simulation.senses import signals_of, sounds_of
from m2r2_ros.simulation.surroundings import Surroundings
from m2r2_ros.simulation.tape import Tape
from m2r2_ros.simulation.workcell import Workcell

_SETTLE_S = 0.3  # before the recording: parts fall into place


class Simulator:
    """A compiled cell, with a studio if `draw`; each `record` starts anew from a seed."""

    def __init__(self, draw: bool):
        self.cell = Workcell(draw=draw)
        self.studio = Studio(self.cell.model) if draw else None

    def record(self, seed: int, name: str, settings: RecordingSettings) -> RecordingData:
        """The recording of a seed. Its videos are drawn when their frames are iterated.

        Labels and signals do not depend on what is filmed.
        """
        streams = np.random.SeedSequence(seed).spawn(4)
        session, sensors, sound, pictures = (np.random.default_rng(s) for s in streams)
        tape, rig = self._run(seed, session, settings)
        data = RecordingData(
            name,
            signals=signals_of(seed, tape, settings, sensors),
            audio=sounds_of(seed, tape, settings, sound),
            actions=actions_from_attempts(rig.journal.attempts, tape.duration_s),
        )
        if self.studio:
            is_v2 = settings.difficulties or settings.rig == "other"
            still = self.cell.data.mocap_pos, self.cell.data.mocap_quat
            around = Surroundings(seed, settings, tape.duration_s) if is_v2 else None
            data.videos = self.studio.film(
                tape, still, settings.cameras, settings.frame_rate_hz, pictures, around
            )
        if "clocks" in settings.difficulties:
            delay(data, tape.duration_s, day_stream(seed, "clocks"))
        if settings.defects:
            damage(data, defect_of(seed))
        return data

    def _run(
        self, seed: int, rng: np.random.Generator, settings: RecordingSettings
    ) -> tuple[Tape, Rig]:
        on_board = frozenset() if settings.failures else sample_on_board(rng)
        parts = frozenset(BY_NAME[name].part for name in on_board)
        layout = sample_layout(rng, parts, settings.shifted)
        if "places" in settings.difficulties:
            layout = moved(layout, *poses_anywhere(stream(seed, "places")))
        self.cell.reset(layout)
        Rig(self.cell).wait(_SETTLE_S)
        self.cell.data.time = 0.0
        recorder = Recorder(self.cell)
        rig = Rig(self.cell, recorder)
        habits = habits_of(seed, settings)
        Session(rig, layout, on_board, rng, habits).work(settings.attempts)
        return recorder.tape(), rig
