# SPDX-License-Identifier: Apache-2.0
"""MP3 in pieces: the right time for each sample, and nothing that is not known."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mp3_streams import START_NS, stream

from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.mp3 import DELAY_SAMPLES, Mp3Stream

# Rate, channels, bits a second: MPEG 1, 2 and 2.5, with much, little and nothing borrowed.
KINDS = [
    (48_000, 2, 0),
    (44_100, 1, 32_000),
    (44_100, 2, 320_000),
    (16_000, 1, 0),
    (8_000, 1, 8_000),
]
made = cache(stream)


@cache
def whole(kind):
    """All that a stream gives, and where the first sample lies."""
    made_of, decoder = made(*kind), Mp3Stream()
    sounds = [
        s for k, data in enumerate(made_of.frames) for s in decoder.decode(made_of.stamp(k), data)
    ]
    return np.concatenate([samples for _, samples, _ in sounds]), sounds[0][0]


def check_against_whole(kind, sounds, shift_ns=0):
    """Each sample that is given is the one of its stamp, to the last bit."""
    expected, first_ns = whole(kind)
    for stamp_ns, samples, rate_hz in sounds:
        begin = round((stamp_ns - shift_ns - first_ns) * rate_hz / 1e9)
        assert samples.tobytes() == expected[begin : begin + len(samples)].tobytes()


def length(sounds):
    return sum(len(samples) for _, samples, _ in sounds)


@pytest.mark.parametrize("kind", KINDS)
def test_each_sample_has_the_time_at_which_it_was_heard(kind):
    made_of = made(*kind)
    decoded, first_ns = whole(kind)
    assert first_ns == START_NS
    count = len(decoded) - 100
    errors = [
        np.square(decoded[50 + lag : count + lag] - made_of.sound[50:count]).mean()
        for lag in range(-5, 6)
    ]
    assert np.argmin(errors) == 5
    assert errors[5] < 0.02 * np.square(made_of.sound).mean()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_same_bits_however_the_stream_is_cut(kind, seed):
    made_of, decoder = made(*kind), Mp3Stream()
    starts = np.cumsum([0, *map(len, made_of.frames)])
    data = b"".join(made_of.frames)
    random = np.random.default_rng(seed)
    cuts = np.sort(random.choice(np.arange(1, len(data)), len(made_of.frames) // 2, replace=False))
    sounds = []
    for begin, end in pairwise([0, *cuts.tolist(), len(data)]):
        first = int(np.searchsorted(starts, begin))
        sounds += decoder.decode(made_of.stamp(first), data[begin:end])
    expected, first_ns = whole(kind)
    assert sounds[0][0] == first_ns
    assert np.concatenate([samples for _, samples, _ in sounds]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_lost_is_missing_and_nothing_else_is_wrong(kind, seed):
    made_of, decoder = made(*kind), Mp3Stream()
    lost = np.random.default_rng(seed).random(len(made_of.frames)) < 0.08
    sounds = [
        sound
        for k, data in enumerate(made_of.frames)
        if not lost[k]
        for sound in decoder.decode(made_of.stamp(k), data)
    ]
    check_against_whole(kind, sounds)
    # A frame that borrows does so from the last half kilobyte; then the decoder's own memory.
    size = np.mean(list(map(len, made_of.frames)))
    each = 1 + -(-511 // size) + -(-DELAY_SAMPLES // made_of.samples)
    missing = len(whole(kind)[0]) - length(sounds)
    assert 0 < missing <= (lost.sum() + 1) * each * made_of.samples


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_is_joined_late(kind):
    made_of, decoder = made(*kind), Mp3Stream()
    sounds = [
        sound
        for k, data in list(enumerate(made_of.frames))[5:]
        for sound in decoder.decode(made_of.stamp(k), data)
    ]
    assert sounds
    check_against_whole(kind, sounds)


def test_a_jump_of_time_begins_anew():
    kind = KINDS[1]
    made_of, decoder = made(*kind), Mp3Stream()
    sounds = []
    for shift_ns in (0, -10 * 10**9):
        shifted = [
            sound
            for k, data in enumerate(made_of.frames)
            for sound in decoder.decode(made_of.stamp(k) + shift_ns, data)
        ]
        check_against_whole(kind, shifted, shift_ns)
        sounds.append(length(shifted))
    assert sounds[0] == sounds[1]


@pytest.mark.parametrize("seed", range(6))
def test_damage_leaves_a_message_out_and_is_said(seed):
    kind = KINDS[seed % len(KINDS)]
    made_of, decoder = made(*kind), Mp3Stream()
    random = np.random.default_rng(seed)
    victim = int(random.integers(3, len(made_of.frames) - 8))
    broken = [
        b"\0\0" + made_of.frames[victim][2:],
        made_of.frames[victim] + bytes(random.integers(0, 200, 20, np.uint8)),
        made_of.frames[victim][: len(made_of.frames[victim]) // 2],
    ][seed % 3]
    sounds, reasons = [], []
    for k, data in enumerate(made_of.frames):
        try:
            sounds += decoder.decode(made_of.stamp(k), broken if k == victim else data)
        except MessageError as error:
            reasons.append(str(error))
    assert len(reasons) == 1 and "mp3" in reasons[0]
    check_against_whole(kind, sounds)
    assert length(sounds) > len(whole(kind)[0]) / 2


@given(st.lists(st.binary(max_size=300), max_size=8), st.booleans())
def test_garbage_is_said_or_skipped(messages, is_begun):
    decoder, made_of = Mp3Stream(), made(*KINDS[3])
    if is_begun:
        decoder.decode(made_of.stamp(0), made_of.frames[0])
    for k, data in enumerate(messages):
        try:
            decoder.decode(made_of.stamp(k + 1), data)
        except MessageError as error:
            assert "mp3" in str(error)


def test_a_message_has_a_limit():
    with pytest.raises(MessageError, match="the limit is 1048576"):
        Mp3Stream().decode(0, bytes(1 << 21))
