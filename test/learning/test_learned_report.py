# SPDX-License-Identifier: Apache-2.0
"""Report and card of `m2r2 learn`: what they say, and what they never say."""

import json
import re

import pytest
from made_outcome import VOCABULARY, held_out, outcome

from m2r2_ros.learning.card import CARD_FILE, write_card
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.report import write_report

FINDINGS = (
    Finding("few examples", "1 class occurs never: 'x' (0)", "record <more>", fatal=True),
    Finding("stuck sensor", "'pose' stands", "mend it", "take0", "", "pose", 1.0, 2.5),
)
COMMAND = ("learn", "takes", "--out", "out/my models")


@pytest.fixture(scope="module")
def found():
    return outcome(
        held_out("take0"),
        held_out("take1", missed={0: "place", 3: "place", 5: "wait"}),
        held_out("take2", missed={1: "pick"}),
    )


@pytest.fixture(scope="module")
def page(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, found, FINDINGS, VOCABULARY)
    return path


def test_the_page_loads_nothing_and_escapes_what_it_is_given(page):
    html = page.read_text()
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href)=\"(?!data:|#)", html)
    assert "record &lt;more&gt;" in html and "<more>" not in html


def test_recordings_and_timelines_are_worst_first(page):
    html = page.read_text()
    order = re.findall(r'<h3 id="recording-\d+">(\w+)</h3>', html)
    assert order == ["take1", "take2", "take0"]


def test_confusions_are_those_of_the_held_out_recordings(page):
    content = json.loads(page.with_suffix(".json").read_text())
    labels = content["confusion"]["labels"]
    frames = content["confusion"]["frames"]
    taken = {
        t: {p: n for p, n in zip(labels, row, strict=True) if n}
        for t, row in zip(labels, frames, strict=True)
    }
    # Actions last 2 s, 20 frames; two of 12 were taken for "place".
    assert taken["pick"] == {"pick": 200, "place": 40}
    assert content["next"][0].startswith("Record '")
    assert [finding["kind"] for finding in content["findings"]] == ["few examples", "stuck sensor"]


def test_ways_have_the_mean_of_their_folds_and_its_spread(page):
    ways = {way["name"]: way for way in json.loads(page.with_suffix(".json").read_text())["ways"]}
    # 100, 75 and 91.7: mean 88.9, standard deviation 12.7.
    assert ways["frozen"]["cells"][0] == "88.9 ± 12.7"
    assert ways["scratch"]["cells"][0] == "83.9 ± 12.7"
    assert ways["fine-tuned"]["cells"] == ["-"] * 4
    assert ways["frozen"]["chosen"] and not ways["scratch"]["chosen"]


def test_the_card_has_data_scores_of_folds_limits_and_the_command(found, tmp_path):
    write_card(tmp_path, found, FINDINGS, COMMAND)
    card = (tmp_path / CARD_FILE).read_text()
    assert card.startswith("# my_models\n")
    assert "m2r2 learn takes --out 'out/my models'" in card
    assert "| F1@50 | 88.4 | 87.9 ± 4.2 |" in card
    assert "| mean delay [s] | 0.41 | - |" in card
    assert "| wait (idle) | 36 | 36 |" in card
    assert "no label is confirmed" in card
    assert "have seen all recordings and have no score on them" in card
    assert all(heading in card for heading in ("## What it scores", "## Limits", "Not for: "))
    assert "few examples (1), stuck sensor (1)" in card
