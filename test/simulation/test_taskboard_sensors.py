# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from m2r2_ros.datasets.reassemble_format import SIGNAL_WIDTHS
from m2r2_ros.simulation import sensors
from m2r2_ros.simulation.tape import MATERIALS, Tape

STEP_S, TICK_S = 1e-3, 2e-3


def make_tape(wrench: np.ndarray, rotation: np.ndarray | None = None) -> Tape:
    steps, ticks = len(wrench), len(wrench) // 2
    tool = np.zeros((ticks, 13))
    tool[:, 3] = 1.0
    turned = np.broadcast_to(np.diag([1.0, -1.0, -1.0]), (ticks, 3, 3))
    return Tape(
        wrench=wrench,
        impact=np.zeros((steps, len(MATERIALS))),
        scrape=np.zeros((steps, len(MATERIALS))),
        click=np.zeros(steps),
        rotation=turned if rotation is None else rotation,
        arm=np.zeros((ticks, 21)),
        fingers=np.zeros((ticks, 6)),
        tool=tool,
        scenes=np.zeros((steps // 10, 1)),
        step_s=STEP_S,
        tick_s=TICK_S,
        scene_s=10 * STEP_S,
    )


@given(
    duration=st.floats(0.5, 20),
    rate=st.sampled_from([10.0, 50.0, 200.0, 500.0]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=50, deadline=None)
def test_a_clock_ticks_forward_at_about_its_rate_inside_the_recording(duration, rate, seed):
    times = sensors.clock(duration, rate, np.random.default_rng(seed))
    assert (np.diff(times) > 0).all()
    assert times[0] >= 0 and times[-1] < duration
    assert len(times) == pytest.approx(duration * rate, abs=2 + 0.02 * duration * rate)


def test_clocks_differ_in_phase_and_rate():
    rng = np.random.default_rng(0)
    first, second = (sensors.clock(100.0, 100.0, rng) for _ in range(2))
    assert first[0] != second[0]
    assert np.median(np.diff(first)) == pytest.approx(0.01, rel=0.01)
    assert np.diff(first).std() > 0.0002


def test_sampling_interpolates_rows_that_end_their_step():
    values = np.array([[1.0], [3.0], [5.0]])
    sampled = sensors.sample(values, 0.5, np.array([0.0, 0.5, 0.75, 1.5]))
    assert sampled[:, 0].tolist() == [1.0, 1.0, 2.0, 5.0]


def amplitude(signal: np.ndarray, frequency_hz: float) -> float:
    time = STEP_S * np.arange(len(signal))
    return 2 * abs(np.mean(signal * np.exp(-2j * np.pi * frequency_hz * time)))


def test_the_wrist_sensor_passes_motion_and_stops_vibration():
    time = STEP_S * np.arange(8000)
    ideal = np.zeros((8000, 6))
    for frequency in (5, 400):
        ideal += np.sin(2 * np.pi * frequency * time)[:, None]
    sensed = sensors.wrist_sensor(ideal, STEP_S, np.random.default_rng(0))
    assert amplitude(sensed[:, 3], 5) == pytest.approx(1.0, rel=0.02)
    assert amplitude(sensed[:, 3], 400) < 0.03


def test_bias_differs_between_recordings_and_a_load_does_not():
    def level(seed: int, load_n: float) -> float:
        ideal = np.zeros((4000, 6))
        ideal[2000:, 2] = load_n
        sensed = sensors.wrist_sensor(ideal, STEP_S, np.random.default_rng(seed))
        return float(sensed[3000:, 2].mean())

    assert level(1, 0) != pytest.approx(level(2, 0), abs=1e-3)
    assert level(1, 10) - level(1, 0) == pytest.approx(10, abs=1e-6)


def test_every_signal_has_the_width_that_the_format_gives_it():
    tracks = sensors.sense(make_tape(np.zeros((4000, 6))), np.random.default_rng(0))
    assert {name: track.values.shape[1] for name, track in tracks.items()} == SIGNAL_WIDTHS
    for track in tracks.values():
        assert len(track.times_s) == len(track.values) and track.values.dtype == np.float32
    rate = (len(tracks["measured_force"].times_s) - 1) / np.ptp(tracks["measured_force"].times_s)
    assert rate >= 500


def test_the_base_wrench_is_turned_and_tared():
    """The hand points down, so a push along its z is a pull along the base's z."""
    wrench = np.zeros((4000, 6))
    wrench[:, 0], wrench[2000:, 2] = 7.0, 10.0
    tracks = sensors.sense(make_tape(wrench), np.random.default_rng(0))
    force = tracks["compensated_base_force"]
    late = force.values[force.times_s > 3.0].mean(axis=0)
    assert late == pytest.approx([0, 0, -10], abs=0.2)


def test_the_pose_turns_through_every_sign_without_a_jump_and_keeps_unit_length():
    """Each sample is the true rotation, up to noise: nothing is interpolated across a flip."""
    ticks = 6000
    turns = Rotation.from_euler("xz", [[np.pi, 9 * angle] for angle in np.linspace(0, 1, ticks)])
    quaternions = turns.as_quat()
    quaternions[np.random.default_rng(0).uniform(size=ticks) < 0.1] *= -1
    quaternions[2000:4000] *= -1
    tape = make_tape(np.zeros((2 * ticks, 6)))
    tape.tool[:, 3:7] = quaternions
    pose = sensors.sense(tape, np.random.default_rng(1))["pose"]
    sensed = pose.values[:, 3:].astype(float)
    assert np.linalg.norm(sensed, axis=1) == pytest.approx(1, abs=1e-6)
    assert ((sensed[1:] * sensed[:-1]).sum(axis=1) > 0.99).all()
    true = turns[np.clip(np.round(pose.times_s / TICK_S).astype(int) - 1, 0, ticks - 1)]
    errors = (Rotation.from_quat(sensed) * true.inv()).magnitude()
    assert errors.max() < 0.01


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_continuous_quaternions_are_the_same_rotations(seed):
    rng = np.random.default_rng(seed)
    given = rng.normal(size=(50, 4))
    steady = sensors.continuous(given)
    assert np.linalg.norm(steady, axis=1) == pytest.approx(1)
    assert ((steady[1:] * steady[:-1]).sum(axis=1) >= 0).all()
    parallel = np.abs((steady * given).sum(axis=1)) / np.linalg.norm(given, axis=1)
    assert parallel == pytest.approx(1)


def test_what_is_left_of_the_hands_weight_turns_with_the_hand():
    rotation = np.stack([np.diag([1.0, -1.0, -1.0]), np.eye(3)])
    residual = sensors.weight_residual(rotation, np.random.default_rng(3))
    assert residual[0, 2] == pytest.approx(-residual[1, 2])
    assert 0 < abs(residual[0, 2]) < 1.5
    assert np.allclose(residual[:, :2], 0) and np.allclose(residual[:, 5], 0)


def test_the_clock_drifts_inside_a_long_recording():
    """Rates of its two halves differ by more than jitter explains, in some recording."""
    changes = []
    for seed in range(10):
        ticks = sensors.clock(400.0, 500.0, np.random.default_rng(seed))
        halves = np.array_split(ticks, 8)
        changes.append(np.ptp([np.median(np.diff(half)) for half in halves]) * 500)
    assert max(changes) > 3e-5


def test_same_seed_same_signals():
    first, second = (
        sensors.sense(make_tape(np.ones((2000, 6))), np.random.default_rng(5)) for _ in range(2)
    )
    for name, track in first.items():
        assert np.array_equal(track.values, second[name].values)
        assert np.array_equal(track.times_s, second[name].times_s)
