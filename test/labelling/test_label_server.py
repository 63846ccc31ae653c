# SPDX-License-Identifier: Apache-2.0
"""The server of the page: who is let in, what is served, and that no label is ever lost."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

import pytest
from label_server import DATA, LabelServer, label

from m2r2_ros.cli.main import run_verb
from m2r2_ros.datasets.labels_file import labels_path, read_labels
from m2r2_ros.datasets.marks import keyed_labels
from m2r2_ros.datasets.vocabulary_file import read_vocabulary

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

# Two bytes in the name of a file.
GREEK = "\N{GREEK SMALL LETTER ALPHA}"


@pytest.fixture(scope="module")
def shared(original, tmp_path_factory):
    """Of the tests that change nothing."""
    with LabelServer(tmp_path_factory.mktemp("cache"), original) as server:
        yield server


@pytest.fixture
def path(original, tmp_path):
    copy = tmp_path / original.name
    copy.write_bytes(original.read_bytes())
    return copy


@pytest.fixture
def server(path, tmp_path):
    with LabelServer(tmp_path / "cache", path) as server:
        yield server


def wait_for(condition):
    while not condition():
        time.sleep(0.02)


REFUSED = {
    "no token": ("/api/0", {}),
    "another token": (f"/{'x' * 43}/api/0", {}),
    "a part of the token": ("TOKEN[:-2]/api/0", {}),
    "another host": ("TOKEN/api/0", {"Host": "labels.example:80"}),
    "a host that begins alike": ("TOKEN/api/0", {"Host": "127.0.0.1.example"}),
    "no host": ("TOKEN/api/0", {"Host": ""}),
    "another origin": ("TOKEN/api/0", {"Origin": "http://example.org"}),
    "another port's origin": ("TOKEN/api/0", {"Origin": "http://127.0.0.1:1"}),
    "another scheme": ("TOKEN/api/0", {"Origin": "https://HOST"}),
    "a sandboxed frame": ("TOKEN/api/0", {"Origin": "null"}),
    "another site": ("TOKEN/api/0", {"Sec_Fetch_Site": "cross-site"}),
}


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_come_from_the_page_is_refused(shared, case, method):
    path, headers = REFUSED[case]
    token = shared.root.rstrip("/")
    host = f"127.0.0.1:{shared.port}"
    path = path.replace("TOKEN[:-2]", token[:-2]).replace("TOKEN", token)
    headers = {name: value.replace("HOST", host) for name, value in headers.items()}
    status, body = shared.ask(path, method, b"{}" if method == "PUT" else None, raw=True, **headers)
    # h11 itself refuses a request without a host.
    assert status == 403 or (case == "no host" and status == 400)
    assert b"vocabulary" not in body and DATA.name.encode() not in body


def test_the_page_s_own_origin_is_let_in(shared):
    for name in ("127.0.0.1", "localhost"):
        host = f"{name}:{shared.port}"
        headers = {"Host": host, "Origin": f"http://{host}", "Sec_Fetch_Site": "same-origin"}
        assert shared.ask("api/0", **headers)[0] == 200


def test_a_websocket_is_refused(shared):
    key = {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec_WebSocket_Version": "13"}
    status, _ = shared.ask("api", Connection="Upgrade", Upgrade="websocket", **key)
    # As a plain request, which it is where nobody speaks that protocol.
    assert status == 200
    status, _ = shared.ask("/ws", raw=True, Connection="Upgrade", Upgrade="websocket", **key)
    assert status == 403


@pytest.mark.parametrize(
    "path",
    [
        "../etc/passwd",
        "..%2f..%2fetc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "label.js/../../app.py",
        "..\\..\\app.py",
        "//etc/passwd",
        "LICENSES.txt",
        "api/0/parts/../../../app.py",
        "api/1",
        "api/-1",
        "api/0x0",
        "api/%d9%a0",
        "api/1e0",
        f"api/{'9' * 5000}",
        "api/0/parts/3/pictures",
        "api/0/parts/-1/pictures",
        "api/0/parts/0.0/envelopes",
        "api/0/pictures",
        "api/0/pictures?t=nan",
        "api/0/pictures?t=-inf",
        "api/0/pictures?t=1e300",
        "api/0/pictures?t=../a",
        "api/0/labels/..",
        "api/0/%00",
    ],
)
def test_nothing_but_what_is_numbered_is_served(shared, path):
    status, body = shared.ask(path)
    assert status in (400, 404) and b"root:" not in body and b"SPDX" not in body


def test_answers_say_that_nothing_from_elsewhere_belongs_to_the_page(shared):
    connection = HTTPConnection("127.0.0.1", shared.port)
    connection.request("GET", shared.root)
    answer = connection.getresponse()
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"http://" not in answer.read() and connection.close() is None


def test_only_this_machine_can_connect(shared):
    own = next(iter({i[4][0] for i in socket.getaddrinfo(socket.gethostname(), None)}), "")
    if not own or own.startswith(("127.", "::1")):
        pytest.skip("this machine has no other address")
    with pytest.raises(OSError), socket.create_connection((own, shared.port), timeout=5):
        pass


def unpacked(body):
    (length,) = struct.unpack("<I", body[:4])
    return json.loads(body[4 : 4 + length]), body[4 + length :]


def test_pictures_of_a_moment_are_the_newest_not_after_it(shared):
    times = {i: DATA.videos[name].times_s - 0.01 for i, name in enumerate(DATA.videos)}
    for time_s in (0.0, 0.5, 3.21, 11.9, 60.0):
        index, rest = unpacked(shared.ask(f"api/0/pictures?t={time_s}")[1])
        if time_s > 20:
            assert index == []
            continue
        assert sorted(camera for camera, *_ in index) == [0, 1, 2]
        for camera, found, _ in index:
            before = times[camera][times[camera] <= time_s + 1e-6]
            expected = before[-1] if len(before) else times[camera][0]
            assert found == pytest.approx(expected, abs=1e-6)
        assert sum(size for *_, size in index) == len(rest) and rest.startswith(b"\xff\xd8")


def test_parts_are_made_in_the_background_and_served(shared):
    state = lambda: shared.json("api/0/state")  # noqa: E731
    wait_for(lambda: state()["made"] == 3)
    index, rest = unpacked(shared.ask("api/0/parts/1/pictures")[1])
    for camera in range(3):
        times = [time_s for number, time_s, _ in index if number == camera]
        # 15 of the 30 a second.
        assert 74 <= len(times) <= 76 and all(5 <= t < 10 for t in times) and times == sorted(times)
    assert sum(size for *_, size in index) == len(rest)
    columns = sum(len(plot["names"]) for plot in shared.json("api/0")["plots"])
    assert len(shared.ask("api/0/parts/1/envelopes")[1]) == columns * 1000 * 2 * 4
    assert len(shared.ask("api/0/coarse")[1]) == columns * 150 * 2 * 4


def test_sound_is_served_by_ranges(shared):
    wait_for(lambda: shared.json("api/0/state")["made"] == 3)
    status, whole = shared.ask("api/0/sound.wav")
    assert status == 200 and whole[:4] == b"RIFF" and whole[8:12] == b"WAVE"
    for first, last in ((0, 43), (1000, 1999), (len(whole) - 10, len(whole) + 50)):
        status, part = shared.ask("api/0/sound.wav", Range=f"bytes={first}-{last}")
        assert status == 206 and part == whole[first : last + 1]
    assert shared.ask("api/0/sound.wav", Range=f"bytes={len(whole)}-")[0] == 416


def test_labels_are_written_beside_the_recording_which_stays_as_it_is(server, path):
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    base = server.json("api/0/labels")["revision"]
    assert not labels_path(path).exists()
    status, now = server.save(base, [label(0.5, 2.0, "tighten"), label(2.0, 3.0, "wipe", "mark")])
    assert status == 200
    written = read_labels(labels_path(path))
    spans = [((e.start_ns - written.epoch_ns) / 1e9, e.label, e.source) for e in written.labels]
    assert spans == [(0.5, "tighten", "human"), (2.0, "wipe", "mark")]
    assert now == server.json("api/0/labels")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_a_change_of_an_older_revision_is_refused_and_told_the_newest(server, path):
    base = server.json("api/0/labels")["revision"]
    _, first = server.save(base, [label(0, 1, "a")])
    status, told = server.save(base, [label(0, 1, "b")])
    assert status == 409 and told == first
    assert [entry["label"] for entry in server.json("api/0/labels")["labels"]] == ["a"]
    assert server.save(told["revision"], [label(0, 1, "b")])[0] == 200


def test_what_another_program_writes_is_not_overwritten(server, path):
    base = server.json("api/0/labels")["revision"]
    _, first = server.save(base, [label(0, 1, "a")])
    text = labels_path(path).read_text().replace('"a"', '"z"')
    labels_path(path).write_text(text)
    status, told = server.save(first["revision"], [label(0, 1, "b")])
    assert status == 409 and told["labels"][0]["label"] == "z"
    labels_path(path).write_text("{")
    status, told = server.save(told["revision"], [label(0, 1, "b")])
    assert status == 422 and labels_path(path).name in told["error"]
    assert labels_path(path).read_text() == "{"


def test_a_page_of_another_recording_or_of_none_changes_nothing(server, path, tmp_path):
    """A server may have been started anew for other recordings while a page was open."""
    now = server.json("api/0/labels")
    assert now["recording"] == server.json("api/0")["key"]
    body = {"base": now["revision"], "labels": [label(0, 1, "a")], "cuts": []}
    status, answer = server.ask("api/0/labels", "PUT", {**body, "recording": "0" * 24})
    assert status == 422 and b"shows another recording now" in answer
    path.rename(tmp_path / "moved.h5")
    status, answer = server.ask("api/0/labels", "PUT", {**body, "recording": now["recording"]})
    assert status == 422 and b"is not there any more: put it back" in answer
    assert not labels_path(path).exists()
    (tmp_path / "moved.h5").rename(path)
    assert server.ask("api/0/labels", "PUT", {**body, "recording": now["recording"]})[0] == 200


def test_of_many_windows_at_once_none_loses_its_label(server, path):
    def work(number):
        mine, status = label(number, number + 0.5, f"label {number}"), 409
        while status == 409:
            now = server.json("api/0/labels")
            labels = sorted([*now["labels"], mine], key=lambda entry: entry["start"])
            status, _ = server.save(now["revision"], labels)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {entry.label for entry in read_labels(labels_path(path)).labels}
    assert found == {f"label {number}" for number in range(6)}


HOSTILE = {
    "no JSON": b"{",
    "no object": b"[]",
    "no base": b'{"labels": []}',
    "base is no text": b'{"base": 1, "labels": []}',
    "nested": b"[" * 200_000,
    "no UTF-8": b"\xff\xfe",
    "NaN": b'{"base": "BASE", "labels": [{"start": NaN}]}',
    "labels are no list": b'{"base": "BASE", "labels": 3}',
    "overlap": [label(0, 2, "a"), label(1, 3, "b")],
    "backwards": [label(2, 1, "a")],
    "no class": [label(0, 1, "unknown")],
    "control characters": [label(0, 1, "a\x1b[2J")],
    "no source": [label(0, 1, "a", "robot")],
    "far away": [label(0, 1e300, "a")],
    "a path": [{**label(0, 1, "a"), "path": "/etc/passwd"}],
    "huge name": [label(0, 1, "a" * 2000)],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_labels_is_one_line_and_changes_nothing(shared, original, case):
    base = shared.json("api/0/labels")["revision"]
    body = HOSTILE[case]
    if isinstance(body, bytes):
        body = body.replace(b"BASE", base.encode())
    else:
        body = {"base": base, "labels": body, "cuts": []}
    status, answer = shared.ask("api/0/labels", "PUT", body)
    error = json.loads(answer)["error"]
    assert status == 422 and error and "\n" not in error and "Traceback" not in error
    assert not labels_path(original).exists()


@pytest.mark.parametrize("cuts", [3, [None], [float("1e99")], ["1"], [0] * 10_001, [True]])
def test_cuts_that_are_none_are_refused(shared, cuts):
    base = shared.json("api/0/labels")["revision"]
    content = {"base": base, "labels": [], "cuts": cuts}
    status, answer = shared.ask("api/0/labels", "PUT", content)
    assert status == 422 and b"cut" in answer


def test_a_huge_body_is_refused(shared):
    try:
        status, _ = shared.ask("api/0/labels", "PUT", b" " * (2**24 + 1))
        assert status == 413
    except (BrokenPipeError, ConnectionResetError):
        # It has hung up while we were sending.
        pass
    assert shared.ask("api/0")[0] == 200


def test_requests_that_break_off_leave_no_trace_and_nobody_waits(server):
    """More lines of a traceback each than a pipe holds would stop the server."""
    head = f"PUT {server.root}api/0/labels HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    for connection in slow:
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
    assert server.ask("api/0/state")[0] == 200
    for connection in slow:
        connection.close()
    assert server.ask("api/0/state")[0] == 200
    server.process.kill()
    assert "Traceback" not in server.process.stderr.read()


def test_a_recording_s_name_may_leave_no_room_for_another_ending(original, tmp_path):
    """The labels file's name is as long as the file system takes."""
    path = tmp_path / f"{GREEK * 120}.h5"
    path.write_bytes(original.read_bytes())
    with LabelServer(tmp_path / "cache", path) as server:
        base = server.json("api/0/labels")["revision"]
        assert server.save(base, [label(0, 1, "a")])[0] == 200
    assert [entry.label for entry in read_labels(labels_path(path)).labels] == ["a"]


def test_damage_that_is_met_in_the_background_is_said(original, tmp_path):
    assert run_verb("convert", [str(original), "--out", str(tmp_path)]) == 0
    bag = tmp_path / original.stem
    (file,) = bag.glob("*.mcap")
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    file.write_bytes(data)
    with LabelServer(tmp_path / "cache", bag) as server:
        wait_for(lambda: server.json("api/0/state")["made"] == 3)
        assert any("is left out" in note for note in server.json("api/0/state")["notes"])


def test_a_restarted_server_has_the_same_token_cuts_and_revision(path, tmp_path):
    with LabelServer(tmp_path / "cache", path) as server:
        root, port = server.root, server.port
        base = server.json("api/0/labels")["revision"]
        assert server.save(base, [], (1.5, 4.25))[0] == 200
        # Cuts alone say nothing about the recording.
        assert not labels_path(path).exists()
        base = server.json("api/0/labels")["revision"]
        _, now = server.save(base, [label(0, 1, "a")], (1.5, 4.25))
    with LabelServer(tmp_path / "cache", path, port=port) as server:
        assert server.root == root
        assert server.json("api/0/labels")["cuts"] == [1.5, 4.25]
        assert server.save(now["revision"], [label(0, 1, "b")])[0] == 200
    assert (tmp_path / "cache/m2r2/label/token").stat().st_mode & 0o077 == 0


def test_a_killed_server_leaves_what_it_has_answered(path, tmp_path):
    chance = random.Random(3)
    said: list[dict] = [{"labels": []}]
    for _ in range(3):
        with LabelServer(tmp_path / "cache", path) as server:
            now = server.json("api/0/labels")
            killer = threading.Timer(chance.uniform(0.05, 0.4), server.process.kill)
            killer.start()
            # Ends when the server does not answer any more.
            with suppress(OSError, HTTPException):
                while True:
                    count = chance.randrange(1, 60)
                    labels = [
                        label(i / 10, (i + 1) / 10, f"x{chance.random()}") for i in range(count)
                    ]
                    sent = {"labels": labels}
                    said.append(sent)
                    status, now = server.save(now["revision"], labels)
                    assert status == 200
            killer.join()
        # It may have been killed before the first.
        is_there = labels_path(path).exists()
        there = [one.label for one in read_labels(labels_path(path)).labels] if is_there else []
        # The last that was answered, or the one that was under way.
        assert there in [[entry["label"] for entry in one["labels"]] for one in said[-2:]]
        said = said[-1:]
        said.insert(0, {"labels": [{"label": name} for name in there]})


def test_what_the_user_can_mend_is_one_line(path, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run_verb("label", [str(tmp_path / "none.h5")]) == 2
    assert "none.h5: no such file" in capsys.readouterr().err
    assert run_verb("label", [str(path), "--port", "99999"]) == 2
    assert "--port" in capsys.readouterr().err
    labels_path(path).write_text("[]")
    assert run_verb("label", [str(path)]) == 2
    assert labels_path(path).name in capsys.readouterr().err


def test_a_missing_package_is_one_line(path, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in [name for name in sys.modules if name.startswith("m2r2_ros.labelling")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    for name in [name for name in sys.modules if name.startswith("starlette.")]:
        monkeypatch.delitem(sys.modules, name)
    assert run_verb("label", [str(path)]) == 2
    assert "pip install starlette uvicorn" in capsys.readouterr().err


def test_a_port_in_use_is_one_line(path, shared, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run_verb("label", [str(path), "--port", str(shared.port)]) == 2
    assert f"port {shared.port}" in capsys.readouterr().err


def test_a_folder_stands_for_the_recordings_in_it(path, tmp_path):
    (tmp_path / "another.h5").write_bytes(path.read_bytes())
    with LabelServer(tmp_path / "cache", tmp_path) as server:
        assert server.json("api") == [path.name, "another.h5"]


def test_a_vocabulary_is_the_only_labels_there_may_be_numbered_as_in_record(path, tmp_path):
    stated = tmp_path / "words.yaml"
    stated.write_text("format: 1\nlabels: [wait, tighten]\nidle: [wait]\n")
    assert keyed_labels(read_vocabulary(stated))["1"] == "tighten"
    with LabelServer(tmp_path / "cache", path, "--vocabulary", stated) as server:
        told = server.json("api/0")
        assert told["fixed"] and told["names"] == [
            {"label": "tighten", "idle": False},
            {"label": "wait", "idle": True},
        ]
        base = server.json("api/0/labels")["revision"]
        status, answer = server.save(base, [label(0, 1, "tigthen")])
        assert status == 422 and "tighten" in answer["error"]
        assert server.save(base, [label(0, 1, "tighten")])[0] == 200
    assert read_labels(labels_path(path)).vocabulary.idle == ("wait",)
