# SPDX-License-Identifier: Apache-2.0
"""Recordings of an arm that was never there, as the checks of `m2r2 learn` see them."""

import numpy as np

from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.inspection.film_strip import Thumbnail
from m2r2_ros.learning.profile import (
    RATE_HZ,
    SOUND,
    RecordingProfile,
    StreamProfile,
    camera_profile,
    signal_profile,
)
from m2r2_ros.sensing.signal_set import Signals
from m2r2_ros.vocabulary import Vocabulary

WORK = ("reach", "grasp", "carry", "place")
VOCABULARY = Vocabulary(("wait", *WORK), ("wait",))
SIGNALS = Signals.of(("wrench", "pose", "twist", "gripper"))
SAMPLES_HZ = 50.0
CAMERAS = ("front", "side")
# Where the hand is at the end of each action [m], the grip [m], and the weight that it holds [N].
_PLACES = {
    "wait": (0.3, 0.0, 0.5),
    "reach": (0.6, -0.2, 0.2),
    "grasp": (0.6, -0.25, 0.02),
    "carry": (0.5, 0.3, 0.35),
    "place": (0.55, 0.35, 0.05),
}
_GRIP = {"wait": 0.08, "reach": 0.08, "grasp": 0.03, "carry": 0.03, "place": 0.08}
_HELD = {"wait": 0.0, "reach": 0.0, "grasp": 3.0, "carry": 8.0, "place": 2.0}


class Take:
    """One take: labels and signals, name -> (times (N,), values (N, D)), for plants to spoil."""

    def __init__(self, name, seed, filmed=False, rounds=2):
        rng = np.random.default_rng(seed)
        self.name = self.group = name
        self.segments = _plan(rng, rounds)
        self.duration_s = self.segments[-1].end_s
        times = np.arange(0, self.duration_s, 1 / SAMPLES_HZ)
        place, grip, held = _motion(self.segments, times, rng)
        noise = rng.normal(size=(len(times), 20))
        twist = np.gradient(place, 1 / SAMPLES_HZ, axis=0)
        turn = np.stack([place[:, 1], 0.2 * place[:, 2], 0.1 + 0 * grip, 1 + 0 * grip], axis=1)
        turn /= np.linalg.norm(turn, axis=1, keepdims=True)
        force = np.stack([twist[:, 0] * 9, twist[:, 1] * 5, held], axis=1) + 0.4 * noise[:, :3]
        torque = 0.1 * force[:, [1, 2, 0]] + 0.03 * noise[:, 3:6]
        rates = np.stack([twist[:, 1], -twist[:, 0], 0.5 * twist[:, 2]], axis=1)
        self.signals = {
            "wrench": (times, np.concatenate([force, torque], axis=1)),
            "pose": (times, np.concatenate([place, turn], axis=1) + 1e-4 * noise[:, 6:13]),
            "twist": (times, np.concatenate([twist, rates], axis=1) + 3e-3 * noise[:, 13:19]),
            "gripper": (times, grip[:, None] + 1e-4 * noise[:, 19:]),
        }
        cameras = CAMERAS if filmed else ()
        self.films = {camera: _film(camera, place, times, rng) for camera in cameras}
        frames = round(self.duration_s * RATE_HZ)
        loudness = np.interp(np.arange(frames) / RATE_HZ, times, held)
        self.decibels = -50 + loudness[:, None] + rng.normal(0, 2, (frames, 6))

    def profile(self):
        streams = {n: camera_profile(film, self.duration_s) for n, film in self.films.items()}
        streams["audio"] = _sound(self.decibels)
        for name, (times, values) in self.signals.items():
            streams[name] = signal_profile(SIGNALS[name], times, values, self.duration_s)
        return RecordingProfile(
            self.name, self.group, self.duration_s, tuple(self.segments), "unlabelled", streams
        )


def takes(count=8, seed=0, filmed=False):
    return [Take(f"take{number:02d}", 1000 * seed + number, filmed) for number in range(count)]


def _sound(decibels):
    values = np.asarray(decibels, np.float32)
    still = np.diff(values, axis=0, prepend=np.nan) == 0
    columns = tuple(f"octave {number}" for number in range(values.shape[1]))
    return StreamProfile(SOUND, columns, values, still, np.zeros(values.shape[1]))


def _plan(rng, rounds):
    labels = ["wait", *(label for _ in range(rounds) for label in (*WORK, "wait"))]
    lengths = np.exp(rng.normal(np.log(2.5), 0.25, len(labels)))
    ends = np.cumsum(lengths)
    return [
        Segment(label, float(end - length), float(end))
        for label, length, end in zip(labels, lengths, ends, strict=True)
    ]


def _motion(segments, times, rng):
    """Where the hand is (N, 3), its grip (N,) and what it holds (N,): smooth from end to end."""
    place, grip, held = np.zeros((len(times), 3)), np.zeros(len(times)), np.zeros(len(times))
    here, opened, weight = np.array(_PLACES["wait"]), _GRIP["wait"], 0.0
    for label, start_s, end_s in segments:
        inside = (times >= start_s) & (times < end_s + 1e-9)
        part = np.clip((times[inside] - start_s) / (end_s - start_s), 0, 1)
        part = (1 - np.cos(np.pi * part)) / 2
        there = np.array(_PLACES[label]) + rng.normal(0, 0.02, 3)
        place[inside] = here + part[:, None] * (there - here)
        grip[inside] = opened + part * (_GRIP[label] - opened)
        held[inside] = weight + part * (_HELD[label] - weight)
        here, opened, weight = there, _GRIP[label], _HELD[label]
    return place, grip, held


def _film(camera, place, times, rng):
    """A scene of its own, the hand a bright spot in it, and the grain of the sensor."""
    scene = np.random.default_rng(CAMERAS.index(camera)).integers(20, 200, (12, 16, 3))
    film = []
    for at in range(0, len(times), round(SAMPLES_HZ / 4)):
        picture = scene + rng.integers(-3, 4, scene.shape)
        row, column = int(place[at, 2] * 20) % 12, int(8 + place[at, 1] * 18) % 16
        picture[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 255
        film.append(Thumbnail(float(times[at]), np.clip(picture, 0, 255).astype(np.uint8)))
    return film
