# SPDX-License-Identifier: Apache-2.0
"""What came of the actions, from labels to frames, into a feature folder and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from m2r2_ros.datasets.annotations import actions_from_json, actions_to_json
from m2r2_ros.datasets.frame_outcomes import FAILED, SUCCEEDED, UNJUDGED, frame_outcomes
from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.mstcn import FeatureFolder, write_mapping, write_recording_features
from m2r2_ros.datasets.recording import FAILURE, SUCCESS, Action
from m2r2_ros.errors import M2R2Error
from m2r2_ros.vocabulary import UNKNOWN

FEATURES = np.zeros((4, 2), np.float32)
LABELS = ["tighten", "tighten", "wait", "tighten"]
OUTCOMES = [SUCCESS, SUCCESS, UNKNOWN, FAILURE]


@pytest.fixture
def folder(tmp_path):
    write_mapping(tmp_path, ["tighten", "wait"])
    write_recording_features(tmp_path, "a", FEATURES, LABELS, outcomes=OUTCOMES)
    return tmp_path


@pytest.mark.parametrize("seed", range(20))
def test_a_frame_has_the_outcome_of_its_action(seed):
    random = np.random.default_rng(seed)
    edges = np.sort(random.uniform(0, 10, 13))
    said = random.choice([SUCCESS, FAILURE, UNKNOWN], 12)
    names = random.choice(["tighten cap.", "unlabelled", UNKNOWN], 12, p=[0.8, 0.1, 0.1])
    actions = [
        Action(start, end, text, outcome != FAILURE, judged=outcome != UNKNOWN)
        for start, end, text, outcome in zip(edges[:-1], edges[1:], names, said, strict=True)
    ]
    times = random.uniform(-1, 11, 50)
    expected = []
    for time in times:
        place = int(np.searchsorted(edges, time, side="right")) - 1
        named = 0 <= place < 12 and names[place] == "tighten cap."
        expected.append(said[place] if named else UNKNOWN)
    drawn = list(actions)
    random.shuffle(drawn)
    assert frame_outcomes(drawn, times) == (expected if set(expected) != {UNKNOWN} else None)


def test_nobody_has_said_anything():
    assert frame_outcomes([Action(0, 1, "tighten.")], [0.5]) is None
    assert frame_outcomes([], [0.5]) is None


def test_a_feature_folder_keeps_them(folder):
    read = FeatureFolder(folder).read("a")
    assert read.outcomes.tolist() == [SUCCEEDED, SUCCEEDED, UNJUDGED, FAILED]
    assert read.sampled(FrameRate(10.0, 2)).outcomes.tolist() == [SUCCEEDED, UNJUDGED]
    # Written anew without any: the old ones go.
    write_recording_features(folder, "a", FEATURES, LABELS)
    assert FeatureFolder(folder).read("a").outcomes is None


def test_a_bad_file_is_one_line(folder):
    with pytest.raises(M2R2Error, match="do not fit 3 outcomes"):
        write_recording_features(folder, "a", FEATURES, LABELS, outcomes=OUTCOMES[:3])
    file = folder / "outcomes" / "a.txt"
    file.write_text("success\n" * 5)
    with pytest.raises(M2R2Error, match=r"a\.txt: 5 outcomes of 4 frames"):
        FeatureFolder(folder).read("a")
    assert FeatureFolder(folder, crop=True).read("a").outcomes.tolist() == [SUCCEEDED] * 4
    file.write_text("success\n" * 3 + "succes\n")
    with pytest.raises(M2R2Error, match=r"a\.txt: 'succes' is not one of failure, success, unk"):
        FeatureFolder(folder).read("a")


def test_a_bag_says_whether_a_success_was_said_or_assumed():
    actions = [Action(0, 1, "a."), Action(1, 2, "b.", judged=True), Action(2, 3, "c.", False)]
    text = actions_to_json(actions, 5)
    assert [a.outcome for a in actions_from_json(text)[1]] == [None, SUCCESS, FAILURE]
    older = json.loads(text)
    for entry in older["actions"]:
        del entry["judged"]
    assert [a.outcome for a in actions_from_json(json.dumps(older))[1]] == [None, None, FAILURE]
