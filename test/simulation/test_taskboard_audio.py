# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from m2r2_ros.simulation import microphones, sounds
from m2r2_ros.simulation.microphones import listen
from m2r2_ros.simulation.tape import MATERIALS, Tape

STEP_S, TICK_S = 1e-3, 2e-3
CHANNELS = {"hand_audio": 1, "hama1_audio": 2, "hama2_audio": 2}


def strikes(force: np.ndarray) -> np.ndarray:
    length = round(len(force) * STEP_S * sounds.RATE_HZ)
    return sounds.strikes(force, STEP_S, length, np.random.default_rng(0))


def make_tape(rows: int = 1000, **changed: np.ndarray) -> Tape:
    ticks, kinds = rows // 2, len(MATERIALS)
    tape = {
        "wrench": np.zeros((rows, 6)),
        "impact": np.zeros((rows, kinds)),
        "scrape": np.zeros((rows, kinds)),
        "click": np.zeros(rows),
        "rotation": np.zeros((ticks, 3, 3)),
        "arm": np.zeros((ticks, 21)),
        "fingers": np.zeros((ticks, 6)),
        "tool": np.tile([0.5, 0.0, 0.2, *np.zeros(10)], (ticks, 1)),
        "scenes": np.zeros((1, 1)),
    }
    return Tape(**{**tape, **changed}, step_s=STEP_S, tick_s=TICK_S, scene_s=10 * STEP_S)


def hear(seed: int = 0, microphone: str = "hand_audio", **changed: np.ndarray) -> np.ndarray:
    track = listen(make_tape(**changed), np.random.default_rng(seed))[microphone]
    assert track.rate_hz == sounds.RATE_HZ
    return track.samples


def centroid(sound: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(sound, axis=0)) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / sounds.RATE_HZ).reshape(-1, *[1] * (sound.ndim - 1))
    return float((power * frequency).sum() / power.sum())


def on(material: str, values: np.ndarray) -> np.ndarray:
    """A column of the tape's arrays for one material."""
    columns = np.zeros((len(values), len(MATERIALS)))
    columns[:, MATERIALS.index(material)] = values
    return columns


def test_a_step_of_force_strikes_once_inside_its_millisecond():
    force = np.zeros(1000)
    force[400:] = 5.0
    train = strikes(force)
    (sample,) = np.flatnonzero(train)
    assert 0.400 <= sample / sounds.RATE_HZ < 0.401


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
    train = np.zeros(sounds.RATE_HZ)
    train[0] = 1.0
    spectrum = np.abs(np.fft.rfft(sounds.ring(train, sounds.MODES[material], _Exact())))
    # Energy of a damped sinusoid: gain^2 / decay; its peak in the spectrum: gain / decay.
    frequency, _, _ = max(sounds.MODES[material], key=lambda mode: mode[2] / mode[1])
    assert spectrum.argmax() == pytest.approx(frequency, rel=0.02)


class _Exact:
    """A random generator without a spread."""

    def normal(self, mean: float, _: float) -> float:
        return mean


BEATS = np.repeat(np.arange(10) % 2, 100) * 20.0


@pytest.mark.parametrize("microphone", ["hand_audio", "hama1_audio", "hama2_audio"])
def test_materials_are_told_apart_in_the_mix_of_every_microphone(microphone):
    struck = {m: centroid(hear(1, microphone, impact=on(m, BEATS))) for m in MATERIALS}
    assert struck["steel"] > 1.5 * struck["plastic"] > 2 * struck["wood"]
    steady = np.full(1000, 0.5)
    scraped = {m: centroid(hear(1, microphone, scrape=on(m, steady))) for m in MATERIALS}
    assert scraped["steel"] > 1.3 * scraped["acrylic"] > 1.5 * scraped["wood"]


def test_a_pair_of_materials_sounds_like_both():
    both = on("steel", BEATS) + on("wood", BEATS)
    alone = [centroid(hear(1, impact=on(m, BEATS))) for m in ("wood", "steel")]
    assert alone[0] < centroid(hear(1, impact=both)) < alone[1]


def test_a_latch_snaps_once_as_it_gives_way_and_not_when_attended_or_left():
    click = np.zeros(1000)
    click[100:300] = np.linspace(0, 8, 200)  # resists
    click[300:320] = np.linspace(7, -9, 20)  # gives way and pulls home
    click[320:600] = -9.0
    click[315:319] *= [1, -1, 1, -1]  # chatter
    rng = np.random.default_rng(0)
    (sample,) = np.flatnonzero(sounds.snaps(click, STEP_S, sounds.RATE_HZ, rng))
    assert 0.305 <= sample / sounds.RATE_HZ <= 0.315
    seated = np.zeros(1000)
    seated[300:600] = -9.0  # the plug was there already: nothing moves
    assert not sounds.snaps(seated, STEP_S, sounds.RATE_HZ, rng).any()
    assert np.abs(hear(click=click)).max() > 5 * np.abs(hear(click=seated)).max()


@pytest.mark.parametrize(("microphone", "channels"), CHANNELS.items())
def test_tracks_are_float32_as_long_as_the_tape_and_within_full_scale(microphone, channels):
    violent = np.zeros((1000, len(MATERIALS)))
    violent[::50] = 1000.0
    sound = hear(microphone=microphone, impact=violent)
    assert sound.shape == (16_000, channels) and sound.dtype == np.float32
    assert np.abs(sound).max() <= 1.0


@pytest.mark.parametrize("microphone", CHANNELS)
@pytest.mark.parametrize(
    "source",
    [
        {"fingers": np.full((500, 6), 0.05)},
        {"scrape": on("steel", np.full(1000, 0.5))},
        {"impact": on("nylon", BEATS)},
        {"arm": np.full((500, 21), 0.5)},
    ],
    ids=["gripper", "scrape", "impact", "arm"],
)
def test_every_source_rises_above_the_room(source, microphone):
    least = 2 if microphone == "hand_audio" else 1.2
    assert hear(microphone=microphone, **source).std() > least * hear(microphone=microphone).std()


def test_sound_takes_its_time_and_loses_strength_on_its_way():
    clap = np.zeros(4000)
    clap[1000] = 1.0
    near, far = (
        microphones.heard(clap, np.array([distance, 0.0, 0.3]), np.array([0.0, 0.0, 0.3]))
        for distance in (0.343, 0.686)
    )
    assert near.argmax() - 1000 == pytest.approx(0.001 * sounds.RATE_HZ, abs=1)
    assert far.argmax() - near.argmax() == pytest.approx(0.001 * sounds.RATE_HZ, abs=1)
    assert near.max() == pytest.approx(2 * far.max(), rel=0.01)


def test_the_nearer_microphone_hears_more():
    tool = np.tile([0.8, -0.4, 0.1, *np.zeros(10)], (500, 1))
    impact = on("steel", BEATS)
    levels = [
        np.mean([hear(s, m, impact=impact, tool=tool).std() / hear(s, m).std() for s in range(4)])
        for m in ("hama1_audio", "hama2_audio")
    ]
    assert levels[0] > 1.5 * levels[1]


def test_same_seed_same_sound():
    for microphone in CHANNELS:
        assert np.array_equal(hear(3, microphone), hear(3, microphone))
        assert not np.array_equal(hear(3, microphone), hear(4, microphone))
