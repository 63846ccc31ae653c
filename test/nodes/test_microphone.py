# SPDX-License-Identifier: Apache-2.0
"""The microphone node with a file in place of a sound card, and with a fake sound card."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import av
import numpy as np
import pytest
from harness import node_program, spin_until
from rclpy.lifecycle import TransitionCallbackReturn

from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.audio_chunks import decode_audio
from m2r2_ros.nodes.diagnostics import WARN
from m2r2_ros.nodes.microphone import Microphone
from m2r2_ros.nodes.sound_card import SoundCard, SoundFile
from m2r2_ros.nodes.topic_input import TopicInput

RATE_HZ = 44_100


@pytest.fixture
def wav(tmp_path):
    """1.3 s of stereo noise, 16 bit."""
    samples = np.random.default_rng(0).integers(-20_000, 20_000, (57_330, 2), np.int16)
    path = tmp_path / "noise.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE_HZ)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "stereo")
        frame.sample_rate = RATE_HZ
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path, samples


def test_a_file_is_published_whole_and_stamped_by_its_samples(node, tmp_path, wav):
    path, samples = wav
    source = TopicInput(node, "/sound", lambda name: None, 1000)
    chunks = []

    def drain():
        source.follow()
        chunks.extend(map(decode_audio, source.take()))

    values = {"file": path, "topics.audio": "/sound", "autostart": "false"}
    with node_program(tmp_path, "microphone", values) as program:
        from harness import change_state

        assert change_state(node, "microphone", "configure"), program.output
        spin_until(node, source.follow, "the topic")
        began = time.time_ns()
        assert change_state(node, "microphone", "activate"), program.output
        spin_until(node, lambda: drain() or program.ended, "the end of the file")
        drain()
        assert program.end() == 0, program.output
    stamps = np.array([stamp for stamp, _, _ in chunks])
    played = np.concatenate([part for _, part, _ in chunks])
    assert {rate for *_, rate in chunks} == {RATE_HZ}
    np.testing.assert_allclose(played, samples / 32768.0, atol=1e-6)
    starts = np.cumsum([0] + [len(part) for _, part, _ in chunks])[:-1]
    np.testing.assert_allclose(stamps - stamps[0], starts * 1e9 / RATE_HZ, atol=1)
    assert 0 <= stamps[0] - began < 5e9


def test_a_missing_file_is_one_line_and_status_2(tmp_path, ros):
    with node_program(tmp_path, "microphone", {"file": "/nowhere.wav"}) as program:
        assert program.end() == 2
    assert "/nowhere.wav: cannot be read: No such file" in program.output
    assert "Traceback" not in program.output


def test_a_file_without_sound_is_refused(tmp_path):
    path = tmp_path / "text.wav"
    path.write_text("hello")
    with pytest.raises(M2R2Error, match=r"text\.wav: cannot be read"):
        SoundFile(str(path), 0.02)


class FakePortAudio:
    """Calls back as PortAudio does, when told to."""

    is_gone, is_known = False, True

    def InputStream(self, **options):
        if not self.is_known:
            raise ValueError("no such device")
        self.options, self.is_open = options, True
        return self

    def start(self):
        if self.options["device"] == "broken":
            raise ValueError("no such device")

    def close(self):
        self.is_open = False
        if self.is_gone:
            raise OSError("unplugged")

    def _terminate(self):
        self.is_known = False

    def _initialize(self):
        self.is_known = not self.is_gone

    def deliver(self, samples, age_s, overflow):
        times = SimpleNamespace(currentTime=100.0, inputBufferAdcTime=100.0 - age_s)
        status = SimpleNamespace(input_overflow=overflow)
        self.options["callback"](samples, len(samples), times, status)


@pytest.fixture
def portaudio(monkeypatch):
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_a_chunk_is_stamped_when_its_first_sample_was_converted(portaudio):
    card = SoundCard("2", 48_000, 1, 0.02)
    got = []
    card.start(lambda: 5_000_000_000, lambda *chunk: got.append(chunk), lambda error: None)
    assert portaudio.options["blocksize"] == 960
    assert portaudio.options["device"] == 2
    buffer = np.ones((960, 1), np.float32)
    portaudio.deliver(buffer, 0.025, False)
    buffer[:] = 0.0  # PortAudio uses its buffer again.
    portaudio.deliver(buffer, 0.02, True)
    assert [stamp for _, stamp in got] == [4_975_000_000, 4_980_000_000]
    assert got[0][0].min() == 1.0
    assert card.overflows == 1
    card.stop()
    assert not portaudio.is_open


def test_a_device_that_does_not_open_is_one_line(portaudio):
    with pytest.raises(M2R2Error, match="broken: cannot record: no such device"):
        SoundCard("broken", 48_000, 1, 0.02).start(lambda: 0, print, print)


def test_no_sounddevice_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(M2R2Error, match="sounddevice is not installed"):
        SoundCard("", 48_000, 1, 0.02)


def test_a_microphone_that_is_unplugged_is_told_and_used_again_when_it_is_back(ros, portaudio):
    microphone = Microphone({"topics.audio": "/unplugged"})
    samples = np.zeros((960, 1), np.float32)

    def look(times):
        for _ in range(times):
            microphone._look()
        return microphone.report()

    try:
        assert microphone.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert microphone.trigger_activate() == TransitionCallbackReturn.SUCCESS
        portaudio.deliver(samples, 0.02, False)
        assert look(1).message == "active"
        portaudio.is_gone = True
        # It is gone when it has been silent for three seconds, and stays so.
        assert look(2).message == "active"
        for _ in range(2):
            report = look(3)
            assert report.level == WARN
            assert report.message.startswith("nothing comes from default sound card: unplugged?")
            assert report.message.endswith("cannot record: no such device")
            assert report.values["losses"] == 1
        portaudio.is_gone = False
        assert "cannot record" not in look(3).message
        portaudio.deliver(samples, 0.02, True)
        report = look(1)
        assert report.message == "the sound card lost samples 1 times"
        assert (report.values["samples"], report.values["losses"]) == (1920, 1)
        portaudio.is_gone = True
        assert microphone.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    finally:
        microphone.shut_down()
        microphone.destroy_node()
