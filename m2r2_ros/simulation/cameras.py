# SPDX-License-Identifier: Apache-2.0
"""Pictures of a run, one frame at a time: afterwards from its tape, or as it happens."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import mujoco
import numpy as np

from m2r2_ros.datasets.recording import VideoTrack
from m2r2_ros.errors import M2R2Error
from m2r2_ros.simulation.sensors import clock
from m2r2_ros.simulation.surroundings import Surroundings
from m2r2_ros.simulation.tape import Tape

# REASSEMBLE's names for the scene's cameras: one on the board, one on the kit, one on the hand.
CAMERAS = {"hama1": "right", "hama2": "left", "hand": "panda/hand"}
SIZE_PX = 224
_EXPENSIVE_FLAGS = (
    mujoco.mjtRndFlag.mjRND_SHADOW,
    mujoco.mjtRndFlag.mjRND_REFLECTION,
    mujoco.mjtRndFlag.mjRND_SKYBOX,
    mujoco.mjtRndFlag.mjRND_HAZE,
    mujoco.mjtRndFlag.mjRND_FOG,
)
_NOISE_LEVELS = 1.0  # standard deviation of the sensor noise, of 255
_NOISE_FRAMES = 16
_SECONDS_A_STALL, _STALL_S = 60.0, 0.2


class Studio:
    """Lights and cameras around one model; `film` turns a tape into videos, `watch` looks on."""

    def __init__(self, model: mujoco.MjModel):
        self._model, self._data = model, mujoco.MjData(model)
        quality = model.vis.quality
        quality.offsamples = 0
        # Boxes and cylinders in few faces: drawing is bound by vertices, not by pixels.
        quality.numquads, quality.numstacks, quality.numslices = 1, 2, 20
        model.vis.global_.offwidth = model.vis.global_.offheight = SIZE_PX
        self._renderer = make_renderer(model)
        for flag in _EXPENSIVE_FLAGS:
            self._renderer.scene.flags[flag] = False
        self._stock = {name: getattr(model, name).copy() for name in _VARIED}

    def film(
        self,
        tape: Tape,
        mocap: tuple[np.ndarray, np.ndarray],
        cameras: tuple[str, ...],
        rate_hz: float,
        rng: np.random.Generator,
        surroundings: Surroundings | None = None,
    ) -> dict[str, VideoTrack]:
        """Videos of the tape; frames are drawn as they are iterated, before the next `film`.

        `mocap`: positions and quaternions of what stands still (board, kit) during the run.
        """
        self._furnish(mocap, rng)
        if surroundings:
            surroundings.furnish(self._model, self._stock)
        tracks = {}
        for camera in cameras:
            times = without_stalls(clock(tape.duration_s, rate_hz, rng), rng)
            look = _Look(rng)
            frames = self._frames(tape, CAMERAS[camera], times, look, surroundings)
            tracks[camera] = VideoTrack(times, frames)
        return tracks

    def watch(
        self,
        mocap: tuple[np.ndarray, np.ndarray],
        cameras: tuple[str, ...],
        rng: np.random.Generator,
    ) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """A function of generalised positions: a picture of them by each camera, as it happens.

        Good until the next `watch` or `film`; `rng` is the room, as in `film`.
        """
        self._furnish(mocap, rng)
        looks, count = {camera: _Look(rng) for camera in cameras}, itertools.count()

        def pictures(qpos: np.ndarray) -> dict[str, np.ndarray]:
            index = next(count)
            self._pose(qpos)
            return {c: look(self._draw(CAMERAS[c]), index) for c, look in looks.items()}

        return pictures

    def _furnish(self, mocap: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> None:
        self._vary(rng)
        self._data.mocap_pos[:], self._data.mocap_quat[:] = mocap

    def _frames(
        self,
        tape: Tape,
        camera: str,
        times: np.ndarray,
        look: _Look,
        surroundings: Surroundings | None,
    ) -> Iterator:
        rows = np.round(times / tape.scene_s).astype(int)
        for index, row in enumerate(np.minimum(rows, len(tape.scenes) - 1)):
            self._pose(tape.scenes[row])
            if surroundings:
                yield look(self._draw_in(surroundings, camera, float(times[index])), index)
            else:
                yield look(self._draw(camera), index)

    def _pose(self, qpos: np.ndarray) -> None:
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)

    def _draw(self, camera: str) -> np.ndarray:
        self._renderer.update_scene(self._data, camera)
        return self._renderer.render()

    def _draw_in(self, surroundings: Surroundings, camera: str, time_s: float) -> np.ndarray:
        surroundings.light(self._model, time_s)
        self._renderer.update_scene(self._data, camera)
        surroundings.decorate(self._renderer.scene, self._data, time_s)
        return self._renderer.render()

    def _vary(self, rng: np.random.Generator) -> None:
        """Another room for every recording: light, colours, and where the cameras stand."""
        model = self._model
        for name, values in self._stock.items():
            getattr(model, name)[:] = values
        tone = rng.uniform(0.92, 1.08, 3)  # of the lamps: warm to cold
        model.light_diffuse *= 0.55 * rng.uniform(0.75, 1.2, (model.nlight, 1)) * tone
        model.light_pos += rng.normal(0, 0.15, model.light_pos.shape)
        for name in CAMERAS.values():
            _nudge(model, model.camera(name).id, rng, on_hand=name.startswith("panda/"))
        table = rng.uniform(0.2, 0.6) * rng.uniform(0.8, 1.2, 3)
        model.geom_rgba[model.geom("table").id, :3] = np.clip(table, 0, 1)
        for body in range(model.nbody):
            geoms = np.flatnonzero(model.geom_bodyid == body)
            if len(geoms) and not model.body(body).name.startswith("panda/"):
                _tint(model.geom_rgba, geoms, rng, 0.05)


_VARIED = (
    "light_diffuse",
    "light_pos",
    "cam_mode",
    "cam_pos",
    "cam_quat",
    "cam_fovy",
    "geom_rgba",
    "geom_matid",
)


def _nudge(model: mujoco.MjModel, camera: int, rng: np.random.Generator, on_hand: bool) -> None:
    """A tripod is set up anew for every recording; a bracket on the hand has a little play."""
    model.cam_pos[camera] += rng.normal(0, 0.002 if on_hand else 0.02, 3)
    turn, turned = np.empty(4), np.empty(4)
    angles = rng.normal(0, np.radians(1.0 if on_hand else 1.5), 3)
    mujoco.mju_axisAngle2Quat(turn, angles / np.linalg.norm(angles), np.linalg.norm(angles))
    mujoco.mju_mulQuat(turned, model.cam_quat[camera], turn)
    model.cam_quat[camera] = turned
    model.cam_fovy[camera] += rng.uniform(-2, 3)


def without_stalls(times_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Leave out the frames of the moments in which a camera's link stalls, about one a minute."""
    span = times_s[-1] - times_s[0] if len(times_s) else 0.0
    starts = rng.uniform(0, span, rng.poisson(span / _SECONDS_A_STALL))
    ends = starts + rng.exponential(_STALL_S, len(starts))
    lost = (times_s[:, None] > starts) & (times_s[:, None] < ends)
    return times_s[~lost.any(axis=1)]


class _Look:
    """One camera's exposure, white balance and noise, in one table of levels.

    Entry [noise, channel, level]: what a level becomes under that much noise.
    """

    def __init__(self, rng: np.random.Generator):
        gain = rng.uniform(0.88, 1.12) * rng.uniform(0.96, 1.04, 3)
        levels = 255 * (np.arange(256)[:, None] / 255 * gain) ** rng.uniform(0.9, 1.1)
        shape = (_NOISE_FRAMES, SIZE_PX, SIZE_PX, 1)
        noise = np.round(rng.normal(0, _NOISE_LEVELS, shape)).astype(np.intp)
        least = noise.min()
        spread = np.arange(least, noise.max() + 1)
        toned = np.clip(levels, 0, 255).astype(int).T + spread[:, None, None]
        self._table = np.clip(toned, 0, 255).astype(np.uint8).ravel()
        self._offsets = ((noise - least) * 3 + np.arange(3)) * 256

    def __call__(self, picture: np.ndarray, index: int) -> np.ndarray:
        entries = self._offsets[index % _NOISE_FRAMES] + picture
        return np.take(self._table, entries, mode="clip")


def _tint(rgba: np.ndarray, geoms, rng: np.random.Generator, spread: float) -> None:
    rgba[geoms, :3] = np.clip(rgba[geoms, :3] * rng.uniform(1 - spread, 1 + spread, 3), 0, 1)


def make_renderer(model: mujoco.MjModel) -> mujoco.Renderer:
    """An off-screen renderer; raises M2R2Error when there is no GL to draw with."""
    try:
        return mujoco.Renderer(model, SIZE_PX, SIZE_PX)
    except Exception as error:  # every GL back end fails in its own way
        backend = os.environ.get("MUJOCO_GL", "")
        raise M2R2Error(
            f"cannot draw pictures (MUJOCO_GL={backend}: {error}): install a GL library, on "
            "Debian and Ubuntu `apt install libegl1 libgl1-mesa-dri`"
        ) from error
