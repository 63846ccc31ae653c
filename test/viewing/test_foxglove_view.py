# SPDX-License-Identifier: Apache-2.0
"""A recording in Foxglove, seen by a client that speaks its protocol."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from foxglove_client import ENDED, PAUSED, PLAYING, FoxgloveClient
from PIL import Image
from shown import DURATION_S, LAYOUT, SECOND, results, shown_recording

from m2r2_ros.viewing import streams
from m2r2_ros.viewing.foxglove_layout import foxglove_layout

pytest.importorskip("foxglove")

from m2r2_ros.viewing.foxglove_screen import FoxgloveScreen
from m2r2_ros.viewing.foxglove_server import foxglove_server
from m2r2_ros.viewing.playback import Playback
from m2r2_ros.viewing.recorded_player import play_recording
from m2r2_ros.viewing.recorded_show import RecordedShow

CAMERAS = [streams.camera(name) for name in LAYOUT.cameras]
CAPTIONS = [streams.caption(name) for name in LAYOUT.cameras]
SIGNALS = [streams.signal(name) for name in LAYOUT.signals]
TOPICS = {*CAMERAS, *CAPTIONS, *SIGNALS, *streams.RESULTS}


class Shown:
    """A served recording; `reads` counts what is read of each sensor."""

    def __init__(self, source, url: str, playback: Playback) -> None:
        self.source, self.url, self.playback = source, url, playback
        self.reads = Counter[str]()

    @contextmanager
    def client(self, *topics: str) -> Iterator[FoxgloveClient]:
        """One that looks at these topics from the start on, at ten times the speed."""
        with FoxgloveClient(self.url) as client:
            client.receive_until(lambda: len(client.channels) == len(TOPICS))
            client.subscribe(topics)
            client.control(True, 10.0, self.source.start_ns, "begin")
            yield client


@pytest.fixture
def shown(tmp_path_factory) -> Iterator[Shown]:
    with shown_recording(tmp_path_factory.getbasetemp()) as source:
        screen = FoxgloveScreen(LAYOUT)
        playback = Playback(source.start_ns, source.end_ns + 1)
        ended = threading.Event()
        with foxglove_server(screen, source.name, "127.0.0.1", 0, playback) as server:
            shown = Shown(source, server.url, playback)
            show = RecordedShow(source, LAYOUT, results(source.start_ns), screen, print)
            _count_reads(source, shown.reads)
            arguments = show, screen, server, playback, ended.is_set
            thread = threading.Thread(target=play_recording, args=arguments)
            thread.start()
            try:
                yield shown
            finally:
                ended.set()
                thread.join()


def _count_reads(source, reads: Counter[str]) -> None:
    between = source.between

    def counted(layout, start_ns, end_ns):
        reads.update(layout.modalities)
        return between(layout, start_ns, end_ns)

    source.between = counted


def seen_to_the_end(client: FoxgloveClient) -> None:
    client.receive_until(lambda: any(state.status == ENDED for state in client.states))
    client.receive_rest()


def fields_of(data: bytes) -> dict[int, list[bytes]]:
    """Fields of a protobuf message that are of a length of their own, by number."""
    found, at = {}, 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte, at = data[at], at + 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        number, kind = divmod(varint(), 8)
        if kind == 2:
            size = varint()
            found.setdefault(number, []).append(data[at : at + size])
            at += size
        elif kind == 0:
            varint()
        else:
            at += {1: 8, 5: 4}[kind]
    return found


# Numbers of the fields in foxglove/CompressedImage.proto, ImageAnnotations and TextAnnotation.
def jpeg_of(message) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(fields_of(message.data)[2][0])))


def texts_of(message) -> list[str]:
    return [fields_of(text)[3][0].decode() for text in fields_of(message.data).get(3, [])]


def conforms(value: object, schema: dict, path: str = "") -> None:
    """Every part of a message is in its schema, with its type."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": int | float}
    assert isinstance(value, kinds[schema["type"]]), f"{path}: {value}"
    for key, part in value.items() if schema["type"] == "object" else ():
        conforms(part, schema["properties"][key], f"{path}.{key}")
    for part in value if schema["type"] == "array" else ():
        conforms(part, schema["items"], f"{path}[]")


def test_channels_and_messages_are_what_the_schemas_say(shown):
    with shown.client(*TOPICS) as client:
        seen_to_the_end(client)
    assert client.info["name"] == shown.source.name
    assert {"time", "playbackControl"} <= set(client.info["capabilities"])
    assert client.channels.keys() == TOPICS
    for topic in (*CAMERAS, *CAPTIONS):
        kind = "CompressedImage" if topic in CAMERAS else "ImageAnnotations"
        channel = client.channels[topic]
        assert (channel["encoding"], channel["schemaName"]) == ("protobuf", f"foxglove.{kind}")
        assert f"foxglove/{kind}.proto".encode() in base64.b64decode(channel["schema"])
    for topic in (*SIGNALS, *streams.RESULTS):
        schema = json.loads(client.channels[topic]["schema"])
        assert client.of(topic), topic
        for message in client.of(topic):
            conforms(message.json, schema, topic)
            stamp = message.json["header"]["stamp"]
            assert stamp["sec"] * SECOND + stamp["nsec"] == message.log_ns
    assert client.channels[streams.DIAGNOSTICS]["schemaName"] == (
        "diagnostic_msgs/msg/DiagnosticArray"
    )
    values = client.of(streams.DIAGNOSTICS)[0].json["status"][0]["values"]
    assert {"key": "frames", "value": "3"} in values
    assert sorted(client.times) == client.times


def test_states_are_those_of_the_results_and_of_the_labels(shown):
    with shown.client(
        streams.SEGMENT, streams.TRUTH, streams.PREDICTION, streams.LATENCY
    ) as client:
        seen_to_the_end(client)

    def states(topic):
        seconds = [
            (round((m.log_ns - shown.source.start_ns) / SECOND, 3), m.json["current"])
            for m in client.of(topic)
        ]
        return list(dict.fromkeys(seconds))

    assert states(streams.SEGMENT) == [
        (0.5, "Pick USB"), (1.0, "Pick USB"), (1.5, ""), (1.5, "Insert USB"), (2.5, ""),
    ]  # fmt: skip
    # The labels count from the recording's start, 10 ms before the first frame.
    first_s = shown.source.actions[0].start_s
    assert states(streams.TRUTH) == [
        (round(first_s, 3), "No action"),
        (round(first_s + DURATION_S / 2, 3), "Insert USB"),
        (round(first_s + DURATION_S - 0.1, 3), "No action"),
    ]
    assert [m.json["outcome"] for m in client.of(streams.TRUTH)].count("failure") == 1
    confidences = [m.json["confidence"] for m in client.of(streams.PREDICTION)]
    assert confidences == [pytest.approx(tenth / 30) for tenth in range(1, 30)]
    late = [
        (name, round(value, 6))
        for message in client.of(streams.LATENCY)
        for name, value in message.json.items()
        if name != "header"
    ]
    assert set(late) == {
        ("stamp_to_prediction_s", 0.02),
        ("stamp_to_segment_s", 0.01),
        ("start_to_segment_s", 0.25),
        ("stamp_to_segment_p95_s", 0.125),
    }


def test_pictures_are_the_frames_with_the_segment_on_them(shown):
    with shown.client(CAMERAS[0], CAPTIONS[0]) as client:
        seen_to_the_end(client)
    frames = {
        stamp: picture()
        for _, stamp, picture in shown.source.between(
            LAYOUT.only(["hama1"]), shown.source.start_ns, shown.source.end_ns + 1
        ).images
    }
    pictures = client.of(CAMERAS[0])
    # Of 90 frames 15 a second, and the one that is there when somebody begins to look.
    assert 44 <= len({m.log_ns for m in pictures}) <= 46
    for message in pictures:
        close = np.abs(jpeg_of(message).astype(int) - frames[message.log_ns])
        assert close.max() <= 3
    said = {
        (m.log_ns - shown.source.start_ns) / SECOND: texts_of(m) for m in client.of(CAPTIONS[0])
    }
    assert {m.log_ns for m in client.of(CAPTIONS[0])} == {m.log_ns for m in pictures}
    steps = ((0.5, []), (1.0, ["Pick USB 75 %"]), (1.5, ["Pick USB 75 %, 50 % done"]))
    steps += ((2.5, ["Insert USB 75 %"]), (9.0, ["Insert USB: failure"]))
    for at_s, texts in said.items():
        assert texts == next(text for until_s, text in steps if at_s < until_s), at_s


def test_curves_have_the_numbers_of_the_recording(shown):
    with shown.client(SIGNALS[0]) as client:
        seen_to_the_end(client)
    stamps, values = shown.source.between(
        LAYOUT.only(["wrench"]), shown.source.start_ns, shown.source.end_ns + 1
    ).signals["wrench"]
    rows = dict(zip(stamps.tolist(), values.tolist(), strict=True))
    names = streams.column_names(LAYOUT.signals["wrench"])
    assert names[:3] == ["force_x", "force_y", "force_z"]
    kept = client.of(SIGNALS[0])
    for message in kept:
        assert [message.json[name] for name in names] == rows[message.log_ns]
    # 200 samples a second, of which the first of each hundredth is shown.
    assert {m.log_ns // (SECOND // 100) for m in kept} == {t // (SECOND // 100) for t in rows}
    assert len(kept) == len({m.log_ns // (SECOND // 100) for m in kept})


def test_nothing_is_read_of_what_nobody_looks_at(shown):
    with shown.client(streams.TRUTH) as client:
        client.receive_until(lambda: client.of(streams.TRUTH))
        seen_to_the_end(client)
        assert not shown.reads
    assert shown.playback.now.has_ended
    with shown.client(CAMERAS[1]) as client:
        client.receive_until(lambda: len(client.of(CAMERAS[1])) > 3)
        client.unsubscribe([CAMERAS[1]])
        client.subscribe([streams.TRUTH])
        seen_to_the_end(client)
    assert shown.reads.keys() == {"hand"}


def test_time_stands_still_while_nobody_looks(shown):
    with FoxgloveClient(shown.url) as client:
        client.receive_until(lambda: len(client.channels) == len(TOPICS))
    assert shown.playback.now.position_ns == shown.source.start_ns
    assert not shown.reads


def test_the_bar_pauses_jumps_and_goes_on(shown):
    middle_ns = shown.source.start_ns + 2 * SECOND
    with shown.client(CAMERAS[0], streams.SEGMENT, streams.TRUTH) as client:
        client.control(False, 1.0, middle_ns, "there")
        client.receive_until(lambda: len(client.states) > 1)
        answer = client.states[1]
        assert answer == (PAUSED, middle_ns, 1.0, True, "there")
        client.messages.clear()
        client.control(False, 1.0, middle_ns, "again")
        client.receive_until(lambda: client.of(CAMERAS[0]) and client.of(streams.TRUTH))
        # The present: the last frame before it, the open segment, the label.
        assert middle_ns - SECOND // 20 < client.of(CAMERAS[0])[-1].log_ns <= middle_ns
        assert client.of(streams.SEGMENT)[-1].json["current"] == "Insert USB"
        assert client.of(streams.TRUTH)[-1].json["current"] == "Insert USB"
        assert shown.playback.now.position_ns == middle_ns
        client.control(True, 4.0, None, "on")
        client.receive_until(lambda: client.states[-1].request == "on")
        assert client.states[-1].status == PLAYING
        seen_to_the_end(client)
        assert client.states[-1].position_ns == shown.source.end_ns + 1


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf"), 1e30])
def test_a_speed_that_makes_no_sense_is_bounded(speed):
    playback = Playback(0, SECOND)
    assert 0 < playback.ask(True, speed).speed <= 100


@pytest.mark.parametrize("stamp_ns", [-(2**31) * SECOND, -1, 0, 2**32 * SECOND, 2**63 - 1])
def test_stamps_that_foxglove_cannot_have_are_shown_at_the_nearest(stamp_ns):
    screen = FoxgloveScreen(LAYOUT)
    playback = Playback(stamp_ns, stamp_ns + 1)
    with (
        foxglove_server(screen, "odd clock", "127.0.0.1", 0, playback) as server,
        FoxgloveClient(server.url) as client,
    ):
        client.receive_until(lambda: len(client.channels) == len(TOPICS))
        client.subscribe([streams.TRUTH, CAMERAS[0], CAPTIONS[0]])
        client.control(False, 1.0, 0, "where")
        client.receive_until(lambda: bool(client.states))
        screen.write("x")
        screen.picture(LAYOUT.cameras[0], stamp_ns, lambda: np.zeros((8, 8, 3), np.uint8))
        screen.truth(stamp_ns, "Pick USB", "")
        screen.at(stamp_ns)
        server.tell_time()
        client.receive_until(lambda: len(client.messages) == 3)
    nearest = min(max(stamp_ns, 0), 2**32 * SECOND - 1)
    assert {message.log_ns for message in client.messages} == {nearest}
    seconds, rest = divmod(stamp_ns, SECOND)
    told = client.of(streams.TRUTH)[0].json["header"]["stamp"]
    assert told == {"sec": seconds, "nsec": rest}


@pytest.mark.parametrize("sent", [b"", b"GET / HT"])
def test_who_never_greets_does_not_keep_it_from_ending(sent):
    """The thread is a daemon, so that a server that waits for ever fails the test, no more."""
    is_served, may_end = threading.Event(), threading.Event()
    urls: list[str] = []

    def serve() -> None:
        with foxglove_server(FoxgloveScreen(LAYOUT), "mute", "127.0.0.1", 0) as server:
            urls.append(server.url)
            is_served.set()
            may_end.wait()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    is_served.wait()
    port = int(urls[0].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as mute:
        mute.sendall(sent)
        # Connections are taken in order: the mute one has been by then.
        with FoxgloveClient(urls[0]) as client:
            client.receive_until(lambda: bool(client.channels))
        may_end.set()
        thread.join(300)
        assert not thread.is_alive()


def paths_of(panels: dict) -> Iterator[str]:
    """Topics and message paths that a layout's panels name."""
    for identity, config in panels.items():
        if identity.startswith("Image!"):
            yield config["imageMode"]["imageTopic"]
            yield from config["imageMode"]["annotations"]
        elif identity.startswith("DiagnosticSummary!"):
            yield config["topicToRender"]
        else:
            yield from (path["value"] for path in config["paths"])


def exists(path: str, schema_of: Callable[[str], dict | None]) -> bool:
    """Whether a topic, or the field that a path names in it, is published."""
    topic, *fields = path.split(".")
    schema = schema_of(topic)
    for field in fields:
        schema = (schema or {}).get("properties", {}).get(field)
    return schema is not None and (not fields or schema["type"] != "object")


def panels_in(part) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    else:
        yield from panels_in(part["first"])
        yield from panels_in(part["second"])


def test_every_path_of_the_panels_is_published(shown):
    with shown.client() as client:
        pass

    def schema_of(topic: str) -> dict | None:
        channel = client.channels.get(topic)
        is_json = channel is not None and channel["encoding"] == "json"
        return json.loads(channel["schema"]) if is_json else channel

    layout = foxglove_layout(LAYOUT)
    paths = list(paths_of(layout["configById"]))
    assert len(paths) >= 20
    assert [path for path in paths if not exists(path, schema_of)] == []
    assert not exists("/segment.nonsense", schema_of) and not exists("/nothing", schema_of)
    assert sorted(panels_in(layout["layout"])) == sorted(layout["configById"])
