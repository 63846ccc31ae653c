# SPDX-License-Identifier: Apache-2.0
"""The MS-TCN folder layout: round trip, and one clear line for what is wrong in a folder."""

import numpy as np
import pytest

from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    Split,
    frame_labels,
    read_prediction,
    write_mapping,
    write_prediction,
    write_recording_features,
    write_split,
)
from m2r2_ros.datasets.recording import Action
from m2r2_ros.errors import M2R2Error

LABELS = ["No action", "Pick USB", "Insert USB"]
TRUTH = ["No action"] * 3 + ["Pick USB"] * 4 + ["Insert USB"] * 2
FEATURES = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    write_mapping(tmp_path, LABELS)
    for name in ("a", "b.c"):
        write_recording_features(tmp_path, name, FEATURES, TRUTH)
    write_split(tmp_path, 1, Split(("a",), ("b.c",)))
    return tmp_path


def test_the_layout_on_disk(folder):
    stored = np.load(folder / "features" / "a.npy")
    assert stored.shape == (5, 9) and stored.dtype == np.float32
    assert (folder / "groundTruth" / "a.txt").read_text().splitlines() == TRUTH
    assert (folder / "mapping.txt").read_text() == "0 No action\n1 Pick USB\n2 Insert USB\n"
    assert (folder / "splits" / "test.split1.bundle").read_text() == "b.c.txt\n"


def test_round_trip(folder):
    data = FeatureFolder(folder)
    assert data.labels == LABELS
    assert data.split(1) == Split(("a",), ("b.c",))
    read = data.read("b.c")
    np.testing.assert_array_equal(read.features, FEATURES)
    assert read.features.flags.c_contiguous and read.labels == TRUTH
    assert read.classes.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_as_others_write_it(folder):
    """Float64 features, Windows line ends, blank lines at the end, ids in any order."""
    np.save(folder / "features" / "a.npy", np.asfortranarray(FEATURES.T, dtype=np.float64))
    (folder / "groundTruth" / "a.txt").write_bytes("\r\n".join([*TRUTH, "", ""]).encode())
    (folder / "mapping.txt").write_text("2 Insert USB\n0 No action\n1 Pick USB\n\n")
    read = FeatureFolder(folder).read("a")
    np.testing.assert_array_equal(read.features, FEATURES)
    assert read.features.dtype == np.float32 and read.classes[-1] == 2


def save(folder, values):
    np.save(folder / "features" / "a.npy", values, allow_pickle=True)


def truth(folder, lines):
    (folder / "groundTruth" / "a.txt").write_text("\n".join(lines))


def text(folder, name, content):
    (folder / name).write_bytes(content)


NAN = FEATURES.T.copy()
NAN[2, 3] = np.nan
BAD = {
    "no features": (lambda f: (f / "features/a.npy").unlink(), "a.npy: no such file"),
    "no truth": (lambda f: (f / "groundTruth/a.txt").unlink(), "a.txt: no such file"),
    "no mapping": (lambda f: (f / "mapping.txt").unlink(), "mapping.txt: no such file"),
    "NaN": (lambda f: save(f, NAN), "a.npy: holds NaN or infinite values"),
    "one dimension": (lambda f: save(f, FEATURES[0]), "a.npy: holds float32 (5,), expected"),
    "integers": (lambda f: save(f, np.zeros((2, 9), int)), "a.npy: holds int64 (2, 9), expected"),
    "no frame": (lambda f: save(f, FEATURES.T[:, :0]), "a.npy: holds float32 (5, 0), expected"),
    "pickle": (lambda f: save(f, np.array([print, None])), "a.npy: not a .npy file of numbers"),
    "no npy": (lambda f: text(f, "features/a.npy", b"hello"), "a.npy: not a .npy file"),
    "empty npy": (lambda f: text(f, "features/a.npy", b""), "a.npy: not a .npy file"),
    "lengths": (lambda f: truth(f, TRUTH[:-1]), "a.txt: 8 labels, but"),
    "label": (
        lambda f: truth(f, [*TRUTH[:-1], "Insert USV"]),
        "a.txt: label 'Insert USV' is not in mapping.txt (did you mean 'Insert USB'?)",
    ),
    "binary": (lambda f: text(f, "groundTruth/a.txt", b"\xff\xfe\0"), "a.txt: cannot be read"),
    "mapping": (lambda f: text(f, "mapping.txt", b"0 a\none b\n"), "'one b' is not '<id> <label>'"),
    "hole": (lambda f: text(f, "mapping.txt", b"0 a\n2 b\n"), "the ids are not 0 to 1"),
    "twice": (lambda f: text(f, "mapping.txt", b"0 a\n0 b\n"), "'0 b' is there twice"),
    "empty mapping": (lambda f: text(f, "mapping.txt", b""), "mapping.txt: the ids are not"),
}


@pytest.mark.parametrize(("harm", "expected"), BAD.values(), ids=BAD)
def test_bad_recordings(folder, harm, expected):
    harm(folder)
    with pytest.raises(M2R2Error) as caught:
        FeatureFolder(folder).read("a")
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_truncated_features(folder):
    path = folder / "features" / "a.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(M2R2Error, match=r"a\.npy: not a \.npy file of numbers, or truncated"):
        FeatureFolder(folder).read("a")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "names no recording"),
        (b"a.txt\nc.txt\n", r"names c, but .*c\.npy is missing"),
        (b"../../secret.txt\n", "is not the name of a recording"),
    ],
)
def test_bad_splits(folder, content, expected):
    (folder / "splits" / "train.split1.bundle").write_bytes(content)
    with pytest.raises(M2R2Error, match=expected):
        FeatureFolder(folder).split(1)


def test_absent(folder):
    with pytest.raises(M2R2Error, match=r"train\.split7\.bundle: no such file"):
        FeatureFolder(folder).split(7)
    with pytest.raises(M2R2Error, match="no such folder"):
        FeatureFolder(folder / "nothing")


def test_lengths_are_checked_before_writing(tmp_path):
    with pytest.raises(M2R2Error, match=r"features \(9, 5\) do not fit 8 labels"):
        write_recording_features(tmp_path, "a", FEATURES, TRUTH[:-1])
    assert list(tmp_path.iterdir()) == []


def test_labels_of_frames():
    actions = [
        Action(1.0, 2.0, "Pick USB."),
        Action(2.0, 3.5, "Insert USB.", success=False),
        Action(3.0, 4.0, "No action."),
    ]
    times = [0.0, 0.999, 1.0, 1.999, 2.0, 3.0, 3.6, 4.0, 9.0]
    none, pick, insert = "No action", "Pick USB", "Insert USB"
    assert frame_labels(actions, times, none) == [
        none, none, pick, pick, insert, none, none, none, none,
    ]  # fmt: skip
    assert frame_labels([], [1.0], none) == [none] and frame_labels(actions, []) == []
    assert frame_labels([], [1.0]) == ["unlabelled"]


CLASSES = ("No action", "Pick USB")


def test_predictions_keep_labels_with_spaces_and_the_posterior(tmp_path):
    labels, posterior = ["Pick USB", "No action", "Pick USB"], np.eye(3, 2, dtype=np.float32)
    write_prediction(tmp_path, "a", labels, posterior)
    write_prediction(tmp_path, "b", labels)
    read, probabilities = read_prediction(tmp_path, "a", CLASSES)
    assert read == labels
    np.testing.assert_array_equal(probabilities, posterior)
    assert read_prediction(tmp_path, "b", CLASSES) == (labels, None)


def test_predictions_hold_whatever_a_segment_tracker_publishes(tmp_path):
    labels = ["unknown", "Pick", "Pick USB", "No action"]
    write_prediction(tmp_path, "a", labels)
    assert read_prediction(tmp_path, "a", CLASSES, ["Pick"]) == (labels, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"a\.txt: no such file"),
        (b"Pick USB\nPick UBS\n", r"a\.txt: label 'Pick UBS' is not in .*did you mean 'Pick USB'"),
        (b"\xff\xfe\x00", r"a\.txt: cannot be read as text"),
        (b"Pick USB\n", r"a\.npy: holds 2 classes of 3 frames, expected 2 of 1"),
    ],
)
def test_bad_predictions_are_named(tmp_path, content, message):
    write_prediction(tmp_path, "a", ["Pick USB"] * 3, np.zeros((3, 2)))
    path = tmp_path / "predictions" / "a.txt"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(M2R2Error, match=message):
        read_prediction(tmp_path, "a", CLASSES)


def test_a_split_that_is_not_there_is_answered_with_those_that_are(folder):
    with pytest.raises(M2R2Error, match=r"train\.split7\.bundle.*\(splits that are there: 1\)"):
        FeatureFolder(folder).split(7)
    write_split(folder, 12, Split(("a",), ("b.c",)))
    (folder / "splits" / "train.splitx.bundle").touch()
    (folder / "splits" / "all.split3.bundle").touch()
    with pytest.raises(M2R2Error, match=r"\(splits that are there: 1, 12\)"):
        FeatureFolder(folder).split(2)
    for file in (folder / "splits").iterdir():
        file.unlink()
    with pytest.raises(M2R2Error, match=r"\(splits that are there: none\)"):
        FeatureFolder(folder).split(1)


def test_all_recordings_are_those_with_both_files(folder):
    assert FeatureFolder(folder).recordings == (("a", "b.c"), ())
    (folder / "groundTruth" / "a.txt").unlink()
    assert FeatureFolder(folder).recordings == (("b.c",), ("a",))


@pytest.mark.parametrize("frames", [7, 9, 12])
def test_lengths_that_differ_are_cut_to_the_shorter_on_request(folder, frames):
    stamps_ns = np.arange(9, dtype=np.int64)
    write_recording_features(folder, "a", FEATURES, TRUTH, stamps_ns)
    truth = [*TRUTH, *TRUTH][:frames]
    (folder / "groundTruth" / "a.txt").write_text("".join(f"{label}\n" for label in truth))
    if frames != 9:
        with pytest.raises(M2R2Error, match=r"has 9 frames \(--crop cuts to the shorter\)"):
            FeatureFolder(folder).read("a")
    cut = FeatureFolder(folder, crop=True)
    for name in ("a", "b.c"):
        read = cut.read(name)
        shorter = min(9, frames) if name == "a" else 9
        np.testing.assert_array_equal(read.features, FEATURES[:shorter])
        assert read.labels == TRUTH[:shorter] and len(read.classes) == shorter
        if name == "a":
            np.testing.assert_array_equal(read.stamps_ns, stamps_ns[:shorter])
    assert cut.cropped == ({"a": abs(9 - frames)} if frames != 9 else {})
