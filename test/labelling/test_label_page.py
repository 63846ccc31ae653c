# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: every key and drag, with the labels on the disk after each."""

from __future__ import annotations

import shutil
import time

import pytest
from label_server import DATA, LabelServer, label

from m2r2_ros.datasets.labels_file import labels_path, read_labels

pytest.importorskip("starlette")
playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
if CHROMIUM is None:
    pytest.skip("no Chromium is installed", allow_module_level=True)

FRAME_S = 1 / 30
# A browser beside the rest of the suite is slow; what hangs is ended by the suite's own limit.
PATIENCE_MS = 300_000


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def running(original, cache):
    """One server for the tests that do not end it; each begins without labels."""
    with LabelServer(cache, original) as server:
        yield server


@pytest.fixture
def desk(running, original, browser):
    running.json("api/0")
    base = running.json("api/0/labels")["revision"]
    assert running.save(base, [])[0] == 200
    labels_path(original).unlink(missing_ok=True)
    desk = Desk(browser, running.url, original)
    yield desk
    desk.close()


class Desk:
    """An open page, and the labels that are on the disk."""

    def __init__(self, browser, url, recording_path) -> None:
        self.path = recording_path
        self.context = browser.new_context(viewport={"width": 1300, "height": 820})
        self.errors: list[str] = []
        self.page = self.open(url)

    def open(self, url):
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        return page

    def close(self) -> None:
        self.context.close()
        assert self.errors == []

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def seek(self, time_s: float) -> None:
        """As a hand does it: to the second by the overview's click, then by keys."""
        self.press("Home")
        for _ in range(int(time_s)):
            self.press("Shift+ArrowRight")
        for _ in range(round((time_s - int(time_s)) / FRAME_S)):
            self.press("ArrowRight")

    def saved(self, page=None) -> None:
        (page or self.page).wait_for_selector("#status[data-status=saved]")

    def until_on_disk(self, labels) -> None:
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while (found := self.on_disk()) != labels:
            assert time.monotonic() < deadline, found
            self.page.wait_for_timeout(50)

    def on_disk(self) -> list[tuple[float, float, str]]:
        self.saved()
        path = labels_path(self.path)
        if not path.exists():
            return []
        found = read_labels(path)
        return [
            (
                round((one.start_ns - found.epoch_ns) / 1e9, 2),
                round((one.end_ns - found.epoch_ns) / 1e9, 2),
                one.label,
            )
            for one in found.labels
        ]

    def name(self, text: str) -> None:
        self.press("n")
        self.page.keyboard.type(text)
        self.press("Enter")

    def edge(self, time_s: float) -> tuple[float, float]:
        """The middle of the handle that is nearest to a time."""
        return tuple(
            self.page.evaluate(
                """time => {
                  const far = (handle) => Math.abs(handle.dataset.edge - time);
                  const handles = [...document.querySelectorAll(".handle")];
                  const box = handles.sort((a, b) => far(a) - far(b))[0].getBoundingClientRect();
                  return [box.x + box.width / 2, box.y + box.height / 2];
                }""",
                time_s,
            )
        )

    def x(self, time_s: float) -> float:
        """Where a time is, by two edges that are in view: the recording's ends."""
        low, high = self.edge(0)[0], self.edge(DATA_END_S)[0]
        return low + (high - low) * time_s / DATA_END_S

    def drag(self, from_s: float, to_s: float, release: bool = True) -> None:
        x, y = self.edge(from_s)
        target = self.x(to_s)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move((x + target) / 2, y)
        self.page.mouse.move(target, y)
        if release:
            self.page.mouse.up()

    @property
    def time(self) -> float:
        minutes, seconds = self.page.inner_text("#time").split(":")
        return 60 * int(minutes) + float(seconds)


# Of the last stamp, from the first frame of the reference camera.
DATA_END_S = max(track.times_s[-1] for track in DATA.signals.values()) - 0.01


def begin(desk, running, *entries):
    """Put labels there as another program would, and wait until the page has them."""
    now = running.json("api/0/labels")
    status, saved = running.save(now["revision"], list(entries))
    assert status == 200, saved
    text = f"{len(entries)}"
    desk.page.wait_for_function(
        "n => document.querySelectorAll('.piece:not(.unlabelled)').length === Number(n)", arg=text
    )


def end_of(desk) -> float:
    return round(DATA_END_S, 2)


def test_from_nothing_to_labels_by_keys_alone(desk):
    desk.seek(2.0)
    desk.press("s")
    desk.seek(5.0)
    desk.press("s")
    # Cuts alone are no labels.
    assert desk.on_disk() == []
    desk.name("wipe")
    assert desk.on_disk() == [(5.0, end_of(desk), "wipe")]
    desk.seek(3.0)
    desk.name("tighten")
    assert desk.on_disk() == [(2.0, 5.0, "tighten"), (5.0, end_of(desk), "wipe")]
    desk.seek(1.0)
    desk.press("1")
    # In the order in which they came.
    assert desk.on_disk()[0] in ((0.0, 2.0, "wipe"), (0.0, 2.0, "tighten"))
    desk.press("Delete")
    assert desk.on_disk() == [(2.0, 5.0, "tighten"), (5.0, end_of(desk), "wipe")]


def test_split_name_merge_undo_redo(desk, running):
    begin(desk, running, label(1, 4, "a"), label(4, 6, "b"), label(6, 9, "c"))
    states = [desk.on_disk()]
    for time_s, key, expected in (
        (2.0, "s", [(1, 2, "a"), (2, 4, "a"), (4, 6, "b"), (6, 9, "c")]),
        (3.0, "3", [(1, 2, "a"), (2, 4, "c"), (4, 6, "b"), (6, 9, "c")]),
        (3.0, "m", [(1, 2, "a"), (2, 6, "c"), (6, 9, "c")]),
        (7.0, "Shift+M", [(1, 2, "a"), (2, 9, "c")]),
        (1.5, "x", [(2, 9, "c")]),
        (8.0, "b", [(2, 8, "c")]),
        (7.9, "Alt+ArrowRight", [(2, 8.03, "c")]),
        (7.9, "Alt+ArrowLeft", [(2, 8.0, "c")]),
    ):
        desk.seek(time_s)
        desk.press(key)
        assert desk.on_disk() == expected, key
        states.append(expected)
    for expected in reversed(states[:-1]):
        desk.press("Control+z")
        assert desk.on_disk() == expected
    desk.press("Control+z")
    assert desk.on_disk() == states[0]
    for number, expected in enumerate(states[1:]):
        desk.press("Control+y" if number % 2 else "Control+Shift+Z")
        assert desk.on_disk() == expected


def test_an_edge_is_dragged(desk, running):
    begin(desk, running, label(1, 4, "a"), label(4, 6, "b"))
    desk.press("w")
    desk.drag(4, 5)
    (_, first, _), (second, _, _) = desk.on_disk()
    # To the pixel, of which there are about 90 a second.
    assert first == second == pytest.approx(5, abs=0.03)
    desk.drag(1, 2.5)
    assert desk.on_disk()[0][0] == pytest.approx(2.5, abs=0.03)
    # No further than the neighbour's edge.
    desk.drag(6, 0.5)
    assert desk.on_disk()[1][1] - desk.on_disk()[1][0] == pytest.approx(0.02, abs=0.011)
    desk.press("Control+z", "Control+z", "Control+z")
    assert desk.on_disk() == [(1, 4, "a"), (4, 6, "b")]


def test_a_label_too_short_to_be_seen_goes_with_the_edge_that_it_is_at(desk, running):
    begin(desk, running, label(1, 4, "a"), label(4, 4 + 1e-9, "b"), label(4 + 1e-9, 6, "c"))
    desk.press("w")
    desk.drag(4, 5)
    (_, first, _), (second, _, _) = desk.on_disk()
    assert first == pytest.approx(5, abs=0.03) and second == pytest.approx(first, abs=1e-6)
    desk.press("Control+z")
    assert [text for *_, text in desk.on_disk()] == ["a", "b", "c"]


def test_proposals_are_looked_at_by_doubt_and_confirmed(desk, running):
    entries = [label(i, i + 1, f"name {i}", "model") for i in range(1, 5)]
    for entry, confidence in zip(entries, (0.9, 0.4, 0.7, 0.5), strict=True):
        entry["confidence"] = confidence
    begin(desk, running, *entries)
    assert desk.page.inner_text("#doubts").startswith("6")
    desk.press("d")
    assert desk.time == pytest.approx(2.5, abs=0.02)
    desk.press("Enter")
    assert desk.time == pytest.approx(4.5, abs=0.02)
    desk.press("d")
    assert desk.time == pytest.approx(3.5, abs=0.02)
    desk.press("d", "Shift+D", "Shift+D")
    assert desk.time == pytest.approx(4.5, abs=0.02)
    desk.press("1")
    desk.saved()
    found = read_labels(labels_path(desk.path))
    sources = [one.source for one in found.labels]
    assert sources == ["model", "human", "model", "human"] and found.proposals == 2
    desk.press("o")
    desk.saved()
    assert read_labels(labels_path(desk.path)).labels[3].outcome == "success"
    desk.press("o")
    desk.saved()
    assert read_labels(labels_path(desk.path)).labels[3].outcome == "failure"


def test_playing_zooming_and_moving(desk):
    page = desk.page
    page.wait_for_selector("canvas[data-time]")
    for key, expected in (
        ("Shift+ArrowRight", 1.0),
        ("ArrowRight", 1.03),
        ("ArrowLeft", 1.0),
        ("Shift+ArrowLeft", 0.0),
        ("End", end_of(desk)),
        ("Home", 0.0),
        ("ArrowDown", end_of(desk)),
        ("ArrowUp", 0.0),
    ):
        desk.press(key)
        assert desk.time == pytest.approx(expected, abs=0.011), key
    for key, rate in ((".", "2"), (".", "4"), (".", "4"), (",", "2"), (",", "1"), (",", "0.5")):
        desk.press(key)
        assert page.input_value("#rate") == rate
    desk.press(".", ".", ".")
    desk.press(" ")
    page.wait_for_function("() => document.getElementById('time').textContent > '0:02.00'")
    desk.press(" ")
    assert page.inner_text("#play") == "Play"
    stopped = desk.time
    # Every camera shows the frame of that time.
    page.wait_for_function(
        "t => [...document.querySelectorAll('#cameras canvas')]"
        ".every(c => t - c.dataset.time < 0.04 && c.dataset.time <= t + 1e-2)",
        arg=stopped,
    )
    assert desk.time == stopped
    marks = page.inner_text("#ruler")
    desk.press("+")
    page.wait_for_function("old => document.getElementById('ruler').innerText !== old", arg=marks)
    desk.press("w")
    page.wait_for_function("old => document.getElementById('ruler').innerText === old", arg=marks)
    desk.press("?")
    assert page.is_visible("#help")
    desk.press("Escape")
    assert not page.is_visible("#help")


def test_a_click_moves_the_playhead_and_a_reload_keeps_everything(desk, running):
    begin(desk, running, label(1, 4, "a"))
    desk.press("w")
    _, y = desk.edge(1)
    desk.page.mouse.click(desk.x(2.5), y)
    assert desk.time == pytest.approx(2.5, abs=0.03)
    desk.press("s")
    before = desk.on_disk()
    assert [name for *_, name in before] == ["a", "a"]
    desk.page.reload()
    desk.page.wait_for_selector("body[data-ready]")
    assert len(desk.page.query_selector_all(".piece:not(.unlabelled)")) == 2
    assert desk.on_disk() == before


def test_two_windows_keep_both_changes(desk, running):
    begin(desk, running, label(1, 4, "a"), label(6, 9, "b"))
    other = desk.open(running.url)
    # Neither knows of the other's change when it saves.
    for page in (desk.page, other):
        page.route("**/state", lambda route: route.abort())
    desk.seek(2.0)
    desk.press("s")
    desk.saved()
    other.keyboard.press("End")
    for _ in range(4):
        other.keyboard.press("Shift+ArrowLeft")
    other.keyboard.press("s")
    other.wait_for_selector("#problem:not([hidden])")
    desk.saved(other)
    names = [name for *_, name in desk.on_disk()]
    assert names == ["a", "a", "b", "b"]
    # The same label in both: asked, and either is kept as a whole.
    desk.page.unroute("**/state")
    desk.page.wait_for_function(
        "() => document.querySelectorAll('.piece:not(.unlabelled)').length === 4"
    )
    desk.page.route("**/state", lambda route: route.abort())
    other.keyboard.press("Home")
    other.keyboard.press("Shift+ArrowRight")
    other.keyboard.press("ArrowRight")
    other.keyboard.press("2")
    desk.saved(other)
    desk.seek(1.5)
    desk.press("x")
    desk.page.wait_for_selector("#conflict[open]")
    desk.page.click("#conflict button[value=theirs]")
    assert next(name for *_, name in desk.on_disk()) == "b"
    desk.seek(1.5)
    other.keyboard.press("1")
    desk.saved(other)
    desk.press("x")
    desk.page.wait_for_selector("#conflict[open]")
    desk.page.click("#conflict button[value=mine]")
    assert [name for *_, name in desk.on_disk()] == ["a", "b", "b"]


def test_a_server_that_is_killed_in_mid_drag_loses_nothing(original, cache, browser, tmp_path):
    path = tmp_path / original.name
    path.write_bytes(original.read_bytes())
    with LabelServer(cache, path) as server:
        base = server.json("api/0/labels")["revision"]
        server.save(base, [label(1, 4, "a"), label(4, 6, "b")])
        desk = Desk(browser, server.url, path)
        desk.press("w")
        desk.drag(4, 5, release=False)
        server.kill()
        desk.page.mouse.up()
        desk.page.wait_for_selector("#status[data-status=unsaved]")
        whole = read_labels(labels_path(path))
        assert [(one.end_ns - whole.epoch_ns) / 1e9 for one in whole.labels] == [4, 6]
        # At the same address a recording of the same name is shown: it is another one.
        other = tmp_path / "other" / path.name
        other.parent.mkdir()
        other.write_bytes(original.read_bytes())
        with LabelServer(cache, other, port=server.port):
            desk.page.wait_for_selector("#problem:has-text('another recording')")
        assert not labels_path(other).exists()
        with LabelServer(cache, path, port=server.port):
            moved = desk.on_disk()
            assert moved[0][1] == moved[1][0] == pytest.approx(5, abs=0.03)
        desk.page.wait_for_timeout(1)
    # A page that is closed in that state has kept its change in the browser.
    desk.press("Control+z")
    desk.page.wait_for_selector("#status[data-status=unsaved]")
    desk.page.close(run_before_unload=False)
    with LabelServer(cache, path, port=server.port):
        desk.page = desk.open(server.url)
        assert desk.on_disk() == [(1, 4, "a"), (4, 6, "b")]
        desk.close()


def test_everything_is_reached_by_keyboard_and_has_a_name(desk, running):
    begin(desk, running, label(1, 4, "a"))
    seen = set()
    for _ in range(60):
        desk.press("Tab")
        seen.add(
            desk.page.evaluate("(e => e.id || e.dataset.name || e.tagName)(document.activeElement)")
        )
    wanted = {"play", "rate", "split", "merge", "confirm", "search", "complete", "ruler", "a"}
    assert wanted <= seen
    nameless = desk.page.evaluate(
        "[...document.querySelectorAll('button, input, select, [role=img], [role=slider]')]"
        ".filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))"
        ".map(e => e.outerHTML)"
    )
    assert nameless == []
    said = desk.page.inner_text("#current")
    desk.seek(2.0)
    assert desk.page.inner_text("#current") != said
    assert desk.page.inner_text("#current").startswith("a, 0:01.00 to 0:04.00")


def test_the_page_is_dark_where_that_is_wished(running, browser):
    colours = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.set_default_timeout(PATIENCE_MS)
        page.goto(running.url)
        page.wait_for_selector("body[data-ready]")
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert colours[0] != colours[1]


def test_pieces_are_played_one_by_one_and_confirmed_together(desk, running):
    entries = [label(i, i + 1, f"name {i}", "model") for i in range(1, 5)]
    for entry, confidence in zip(entries, (0.9, 0.4, 0.7, 0.5), strict=True):
        entry["confidence"] = confidence
    begin(desk, running, *entries)
    desk.page.select_option("#rate", "4")

    def played_to(time_s):
        """It has stopped there by itself."""
        desk.page.wait_for_function(
            "t => document.getElementById('play').textContent === 'Play' && "
            "document.getElementById('time').textContent === t",
            arg=f"0:{time_s:05.2f}",
        )

    desk.press("d", "p")
    played_to(2.99)
    desk.press("Enter")
    played_to(4.99)
    desk.press("d")
    played_to(3.99)
    desk.saved()
    assert [one.source for one in read_labels(labels_path(desk.path)).labels].count("model") == 3
    # Space ends it.
    desk.press(" ", " ", "Home", "d")
    desk.page.wait_for_function("() => document.getElementById('time').textContent === '0:04.50'")
    desk.press("Shift+Enter")
    desk.saved()
    confirmed = read_labels(labels_path(desk.path))
    assert {(one.source, one.confidence) for one in confirmed.labels} == {("human", 1.0)}
    desk.press("Control+z")
    desk.saved()
    assert read_labels(labels_path(desk.path)).proposals == 3
