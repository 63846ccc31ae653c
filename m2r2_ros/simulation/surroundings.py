# SPDX-License-Identifier: Apache-2.0
"""What a recording's pictures show beside the board at work, as far as its difficulties are on."""

from __future__ import annotations

import mujoco
import numpy as np

from m2r2_ros.simulation import cables, hands
from m2r2_ros.simulation.clutter import clutter, room
from m2r2_ros.simulation.difficulties import day_stream, stream
from m2r2_ros.simulation.lighting import Lighting
from m2r2_ros.simulation.recording_settings import RecordingSettings
from m2r2_ros.simulation.scene import HAND
from m2r2_ros.simulation.scenery import put
from m2r2_ros.simulation.surfaces import COUNT, surface_name
from m2r2_ros.simulation.viewpoints import NEAR, looking, moved_by, viewpoint_of

_TIED_M = np.array([-0.06, 0.0, -0.04])  # the cable, on the hand's back, away from its camera
_DARK = (0.22, 0.24, 0.27)  # the other laboratory's board, times the colour of ours


class Surroundings:
    """Furnishes the model once a recording, then lights and adds to each frame's scene."""

    def __init__(self, seed: int, settings: RecordingSettings, duration_s: float):
        on = set(settings.difficulties)
        self._seed, self._on = seed, on
        self._other_rig, self._duration_s = settings.rig == "other", duration_s
        self._still = room() if "viewpoint" in on else []
        if "clutter" in on:
            self._still += clutter(stream(seed, "clutter"))
        if "cables" in on:
            self._still += cables.on_table(stream(seed, "cables"))
        visits = hands.visits(duration_s, stream(seed, "hands")) if "hands" in on else []
        self._visits = visits
        self._lighting, self._lamps = None, np.empty(0)

    def furnish(self, model: mujoco.MjModel, stock: dict[str, np.ndarray]) -> None:
        """Set cameras, surfaces and lamps of a model that has been varied already."""
        if "viewpoint" in self._on or "camera_moves" in self._on or self._other_rig:
            for index, name in enumerate(NEAR):
                self._set_up(model, stock, index, name)
        if "textures" in self._on:
            rng = day_stream(self._seed, "textures")
            board = np.flatnonzero(model.geom_bodyid == model.body("board").id)
            for geoms in (model.geom("table").id, board):
                model.geom_matid[geoms] = model.mat(surface_name(rng.integers(COUNT))).id
        if self._other_rig:
            model.geom_rgba[model.geom_bodyid == model.body("board").id, :3] *= _DARK
        if "lights" in self._on:
            rng = stream(self._seed, "lights")
            self._lighting = Lighting(self._duration_s, model.nlight, rng)
        self._lamps = model.light_diffuse.copy()

    def _set_up(self, model: mujoco.MjModel, stock: dict, index: int, name: str) -> None:
        camera = model.camera(name).id
        jitter, turn = model.cam_pos[camera] - stock["cam_pos"][camera], np.zeros(3)
        if "camera_moves" in self._on:
            jitter, turn = moved_by(self._seed, index)
        view = viewpoint_of(name, self._seed, "viewpoint" in self._on, self._other_rig)
        position = view.position() + jitter
        model.cam_mode[camera] = mujoco.mjtCamLight.mjCAMLIGHT_FIXED
        model.cam_pos[camera] = position
        model.cam_quat[camera] = looking(position, np.array(view.aim_m), turn)

    def light(self, model: mujoco.MjModel, time_s: float) -> None:
        """Set the lamps to a moment; before the scene is made."""
        if self._lighting:
            model.light_diffuse[:] = self._lamps * self._lighting(time_s)[:, None]

    def decorate(self, scene: mujoco.MjvScene, data: mujoco.MjData, time_s: float) -> None:
        """Add what is there at a moment; after the scene is made."""
        put(scene, self._still)
        put(scene, hands.limbs(self._visits, time_s))
        if "cables" in self._on:
            hand = data.body(HAND)
            put(scene, cables.to_hand(hand.xpos + hand.xmat.reshape(3, 3) @ _TIED_M))
