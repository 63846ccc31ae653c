# SPDX-License-Identifier: Apache-2.0
"""How pictures differ between recordings, frames get lost, and what does not change."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

os.environ["MUJOCO_GL"] = os.environ.get("MUJOCO_GL", "egl")  # which MuJoCo reads on import
pytest.importorskip("mujoco")

import mujoco

from m2r2_ros.errors import M2R2Error
from m2r2_ros.simulation import cameras
from m2r2_ros.simulation.tape import MATERIALS, Tape

SCENE = """
<mujoco>
  <worldbody>
    <light pos="0 0 2"/><light pos="1 0 2"/>
    <geom name="table" type="plane" size="1 1 .1" rgba=".4 .3 .2 1"/>
    <camera name="left" pos="0 .6 .6" xyaxes="1 0 0 0 .7 .7"/>
    <camera name="right" pos="0 -.6 .6" xyaxes="1 0 0 0 .7 .7"/>
    <body name="panda/hand" pos="0 0 .5">
      <joint type="slide" axis="1 0 0"/>
      <geom size=".05" pos="0 0 -.2" rgba="1 0 0 1"/>
      <camera name="panda/hand" pos=".08 0 0"/>
    </body>
    <body name="board" pos=".2 0 .05"><geom type="box" size=".1 .1 .02"/></body>
  </worldbody>
</mujoco>
"""
STILL = np.zeros((0, 3)), np.zeros((0, 4))


@given(st.integers(0, 2**32 - 1), st.floats(1, 400))
@settings(max_examples=40, deadline=None)
def test_stalls_only_take_frames_away(seed, duration_s):
    times = np.arange(0, duration_s, 0.1)
    kept = cameras.without_stalls(times, np.random.default_rng(seed))
    assert np.isin(kept, times).all() and (np.diff(kept) > 0).all()
    assert len(kept) >= 1


def test_a_camera_stalls_about_once_a_minute_for_several_frames_at_most():
    times = np.arange(0, 6000, 0.02)
    kept = cameras.without_stalls(times, np.random.default_rng(0))
    gaps = np.diff(kept)
    assert 60 <= (gaps > 0.03).sum() <= 140
    assert 0.1 < gaps[gaps > 0.03].mean() < 0.4


@pytest.fixture(scope="module")
def studio() -> cameras.Studio:
    try:
        return cameras.Studio(mujoco.MjModel.from_xml_string(SCENE))
    except M2R2Error as error:
        pytest.skip(str(error))


def make_tape(positions: np.ndarray) -> Tape:
    """The hand at a place [m] every 10 ms."""
    steps, ticks = 10 * len(positions), 5 * len(positions)
    return Tape(
        wrench=np.zeros((steps, 6)),
        impact=np.zeros((steps, len(MATERIALS))),
        scrape=np.zeros((steps, len(MATERIALS))),
        click=np.zeros(steps),
        rotation=np.zeros((ticks, 3, 3)),
        arm=np.zeros((ticks, 21)),
        fingers=np.zeros((ticks, 6)),
        tool=np.zeros((ticks, 13)),
        scenes=positions[:, None],
        step_s=1e-3,
        tick_s=2e-3,
        scene_s=1e-2,
    )


def film(studio: cameras.Studio, seed: int, positions: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    tracks = studio.film(make_tape(positions), STILL, tuple(cameras.CAMERAS), 10.0, rng)
    return {name: np.array(list(track.frames)).astype(int) for name, track in tracks.items()}


def test_a_seed_gives_the_same_pictures_and_another_seed_others(studio):
    positions = np.zeros(50)
    first, other, again = (film(studio, seed, positions) for seed in (1, 2, 1))
    for name, frames in first.items():
        assert frames.shape[1:] == (cameras.SIZE_PX, cameras.SIZE_PX, 3)
        assert np.array_equal(frames, again[name])
        assert np.abs(frames[0] - other[name][0]).mean() > 3


def red_columns(frames: np.ndarray) -> np.ndarray:
    """Mean column of the red ball in every frame."""
    red = (frames[..., 0] > 60) & (frames[..., 0] > 2 * frames[..., 1])
    return (red * np.arange(cameras.SIZE_PX)).sum(axis=(1, 2)) / red.sum(axis=(1, 2))


def test_the_hand_camera_moves_with_the_hand_and_the_others_do_not(studio):
    frames = film(studio, 3, np.linspace(-0.2, 0.2, 100))
    assert np.ptp(red_columns(frames["hand"])) < 3
    assert np.ptp(red_columns(frames["hama1"])) > 30


def test_cameras_stand_differently_every_time_and_look_the_same_way(studio):
    model = studio._model
    stock = {name: values.copy() for name, values in studio._stock.items()}
    moved, turned = [], []
    for seed in range(30):
        film(studio, seed, np.zeros(1))
        moved.append(np.linalg.norm(model.cam_pos - stock["cam_pos"], axis=1))
        dot = np.abs((model.cam_quat * stock["cam_quat"]).sum(axis=1))
        turned.append(np.degrees(2 * np.arccos(np.minimum(dot, 1.0))))
    assert np.linalg.norm(model.cam_quat, axis=1) == pytest.approx(1)
    hand = model.camera("panda/hand").id
    spread = np.array(moved).mean(axis=0)
    assert 0.02 < np.delete(spread, hand).mean() < 0.05 and 0.001 < spread[hand] < 0.006
    assert np.array(turned).mean() > 0.5 and np.array(turned).max() < 10


def test_who_looks_on_sees_the_same_room_again_and_another_in_another(studio):
    def look_on(seed: int) -> list[np.ndarray]:
        look = studio.watch(STILL, ("hama1", "hand"), np.random.default_rng(seed))
        pictures = [look(np.array([place])) for place in (-0.2, 0.0, 0.2)]
        assert all(list(each) == ["hama1", "hand"] for each in pictures)
        return [each["hama1"].astype(int) for each in pictures]

    first, other, again = look_on(1), look_on(2), look_on(1)
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert np.abs(first[0] - other[0]).mean() > 3
    assert np.ptp(red_columns(np.array(first))) > 30
