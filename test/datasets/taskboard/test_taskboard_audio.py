# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from m2r2_ros.datasets.taskboard import audio
from m2r2_ros.datasets.taskboard.tape import MATERIALS

STEP_S, TICK_S = 1e-3, 2e-3


def strikes(force: np.ndarray) -> np.ndarray:
    length = round(len(force) * STEP_S * audio.RATE_HZ)
    return audio.strikes(force, STEP_S, length, np.random.default_rng(0))


def synthesise(seed: int = 0, rows: int = 1000, **changed: np.ndarray) -> np.ndarray:
    tape = {
        "impact": np.zeros((rows, len(MATERIALS))),
        "scrape": np.zeros(rows),
        "finger_speed": np.zeros(rows // 2),
        "joint_speed": np.zeros((rows // 2, 7)),
    }
    rng = np.random.default_rng(seed)
    return audio.synthesise(**{**tape, **changed}, step_s=STEP_S, tick_s=TICK_S, rng=rng)


def test_a_step_of_force_strikes_once_inside_its_millisecond():
    force = np.zeros(1000)
    force[400:] = 5.0
    train = strikes(force)
    (sample,) = np.flatnonzero(train)
    assert 0.400 <= sample / audio.RATE_HZ < 0.401


def test_steady_and_falling_forces_are_silent():
    assert not strikes(np.full(1000, 20.0)).any()
    assert not strikes(np.linspace(20, 0, 1000)).any()


def test_contact_that_chatters_strikes_once():
    force = np.zeros(1000)
    force[300:700:2] = 8.0
    assert np.count_nonzero(strikes(force)) == 1


def test_harder_impacts_are_louder():
    force = np.zeros(1000)
    force[200:300], force[600:700] = 4.0, 40.0
    soft, hard = strikes(force)[strikes(force) > 0]
    assert hard > 2 * soft


@pytest.mark.parametrize("material", MATERIALS)
def test_a_struck_material_rings_at_its_loudest_mode(material):
    train = np.zeros(audio.RATE_HZ)
    train[0] = 1.0
    spectrum = np.abs(np.fft.rfft(audio.ring(train, audio.MODES[material], _Exact())))
    # Energy of a damped sinusoid: gain^2 / decay; its peak in the spectrum: gain / decay.
    frequency, _, _ = max(audio.MODES[material], key=lambda mode: mode[2] / mode[1])
    assert spectrum.argmax() == pytest.approx(frequency, rel=0.02)


class _Exact:
    """A random generator without a spread."""

    def normal(self, mean: float, _: float) -> float:
        return mean


def test_steel_sounds_higher_than_plastic_and_plastic_higher_than_wood():
    def centroid(material: str) -> float:
        train = np.zeros(audio.RATE_HZ)
        train[0] = 1.0
        sound = audio.ring(train, audio.MODES[material], np.random.default_rng(1))
        power = np.abs(np.fft.rfft(sound)) ** 2
        return (power * np.fft.rfftfreq(len(sound), 1 / audio.RATE_HZ)).sum() / power.sum()

    assert centroid("steel") > 1.5 * centroid("plastic") > 2 * centroid("wood")


def test_the_track_is_mono_float32_as_long_as_the_tape_and_within_full_scale():
    violent = np.zeros((1000, len(MATERIALS)))
    violent[::50] = 1000.0
    sound = synthesise(impact=violent)
    assert sound.shape == (16_000, 1) and sound.dtype == np.float32
    assert np.abs(sound).max() <= 1.0


@pytest.mark.parametrize(
    "source",
    [
        {"finger_speed": np.full(500, 0.05)},
        {"scrape": np.full(1000, 0.5)},
        {"joint_speed": np.full((500, 7), 0.5)},
    ],
    ids=["gripper", "scrape", "arm"],
)
def test_every_source_rises_above_the_room(source):
    assert synthesise(**source).std() > 2 * synthesise().std()


def test_same_seed_same_sound():
    assert np.array_equal(synthesise(3), synthesise(3))
    assert not np.array_equal(synthesise(3), synthesise(4))
