# SPDX-License-Identifier: Apache-2.0
"""`m2r2 evaluate` on a small data set with a tiny head."""

from __future__ import annotations

import base64
import io
import json
import re
from itertools import pairwise

import numpy as np
import pytest
from page import Page
from PIL import Image
from tiny_models import FEATURE_DIMENSION, LABELS, write_head

from m2r2_ros import __version__
from m2r2_ros.cli.main import main
from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    LabelledFeatures,
    Split,
    write_mapping,
    write_prediction,
    write_recording_features,
    write_split,
)
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.evaluation.predictions import Prediction, score_predictions
from m2r2_ros.evaluation.report import write_report
from m2r2_ros.evaluation.segments import decisions_from_events
from m2r2_ros.evaluation.streamed_predictions import nominal_stamps, stream
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.pipeline import SegmentSequence
from m2r2_ros.vocabulary import Vocabulary

FRAMES = 200
PUBLISHED = ["acc", "edit", "f1@10", "f1@25", "f1@50", "dr", "dr_truth", "f1@50_actions"]
PUBLISHED += ["boundary_f1"]
CAUSAL = ["held_acc", "held_f1@50", "delay_s", "delay_p50_s", "delay_p90_s", "recognised"]
CAUSAL += ["false_starts"]
NAMES = ("first", "second")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    write_head(folder / "head.onnx", "0" * 64)
    return folder


def features(name: str) -> np.ndarray:
    """Slow random walks, so that the head's label lasts for a while."""
    random = np.random.default_rng(list(name.encode()))
    return np.cumsum(random.normal(0, 0.2, (FRAMES, FEATURE_DIMENSION)), axis=0, dtype=np.float32)


@pytest.fixture
def data(tmp_path, model):
    """What the head publishes, with every Pick that it finds called Place, is the truth."""
    folder, head = tmp_path / "data", StreamingHead(model / "head.onnx")
    for name in NAMES:
        published = stream(head, features(name), nominal_stamps(FRAMES, 10)).published
        truth = [
            "Pick USB" if label not in LABELS else label.replace("Insert USB", "Insert BNC")
            for label in published
        ]
        write_recording_features(folder, name, features(name), truth)
    write_mapping(folder, [*LABELS, "Insert BNC"])
    write_split(folder, 1, Split(train=NAMES, test=NAMES))
    return folder


def evaluate(data, model, json_path, *more: str) -> int:
    arguments = ["--data", str(data), "--split", "1", "--model", str(model)]
    return main(["evaluate", *arguments, "--json", str(json_path), *more])


def test_scores_are_those_of_what_would_be_published(data, model, tmp_path, capsys):
    path = tmp_path / "scores.json"
    assert evaluate(data, model, path) == 0
    scores = json.loads(path.read_text())
    assert list(scores) == [*PUBLISHED, *CAUSAL]
    assert "recognised" in capsys.readouterr().out

    head, pairs = StreamingHead(model / "head.onnx"), []
    for name in NAMES:
        truth = (data / "groundTruth" / f"{name}.txt").read_text().splitlines()
        pairs.append((stream(head, features(name), nominal_stamps(FRAMES, 10)).published, truth))
    expected = score_many(pairs)
    assert {name: scores[name] for name in expected} == pytest.approx(expected)
    assert 0 <= scores["delay_s"] < FRAMES / 10


def as_the_nodes_do(
    head: StreamingHead, recording: LabelledFeatures, stamps: list[int], period_s: float
) -> Prediction:
    """What comes of windows that end at these stamps: by the messages, and by their stamps."""
    tracker = head.metadata.new_tracker()
    sequence, events = SegmentSequence(head, tracker), []
    for index, (stamp, feature) in enumerate(zip(stamps, recording.features, strict=True)):
        events += sequence.process(index, stamp, feature)[1]
    events += sequence.close()
    ended = [event for event in events if event.status.name == "ENDED"]
    published = [
        next((e.label for e in ended if 2 * e.start_ns <= before + now < 2 * e.end_ns), "unknown")
        for before, now in pairwise(stamps)
    ]
    # No segment begins before the end of the first window, which goes with the second.
    labels = [published[0], *published]
    origin_ns = stamps[0] - round(1e9 * period_s)
    edges = np.array([0.0, *((stamp - origin_ns) / 1e9 for stamp in stamps)])
    *believed, last = decisions_from_events(events, origin_ns)
    # What is open at the end stands for the last frame, too.
    believed.append(last._replace(end_s=last.end_s + period_s))
    return Prediction(
        recording.name,
        labels,
        recording.labels,
        believed,
        tuple(head.labels),
        edges_s=edges,
        idle=("No action",),
        rate_hz=1 / period_s,
    )


@pytest.mark.parametrize(("rate_hz", "jitter_s"), [(10, 0.0), (25, 0.0), (10, 0.03)])
def test_time_is_that_of_the_nodes(data, model, tmp_path, rate_hz, jitter_s):
    """What is published, and when it is known, depends on seconds: on the clock that is played."""
    head, folder = StreamingHead(model / "head.onnx"), FeatureFolder(data)
    random, expected = np.random.default_rng(0), []
    for name in NAMES:
        times_s = (np.arange(FRAMES) + 1) / rate_hz + random.uniform(0, jitter_s, FRAMES)
        stamps = [1_736_500_000_000_000_000 + round(1e9 * time_s) for time_s in times_s]
        recording = folder.read(name)
        if jitter_s:
            kept = np.array(stamps, np.int64)
            write_recording_features(data, name, recording.features, recording.labels, kept)
        expected.append(as_the_nodes_do(head, recording, stamps, 1 / rate_hz))
    assert len({label for one in expected for label in one.labels}) > 1
    out = tmp_path / "scores.json"
    assert evaluate(data, model, out, "--rate", str(rate_hz)) == 0
    found, wanted = json.loads(out.read_text()), score_predictions(expected)
    assert found.keys() == wanted.keys()
    for score, value in wanted.items():
        assert found[score] == pytest.approx(value, abs=1e-6), score


def test_coarse_labels_forgive_the_object(data, model, tmp_path):
    scores = {}
    for level in ("fine", "coarse"):
        assert evaluate(data, model, tmp_path / f"{level}.json", "--labels", level) == 0
        scores[level] = json.loads((tmp_path / f"{level}.json").read_text())
    assert scores["coarse"]["acc"] > scores["fine"]["acc"]


def test_features_of_another_encoder_are_one_clear_line(data, model, tmp_path, capsys):
    write_head(model / "head.onnx", "0" * 64, feature_dimension=FEATURE_DIMENSION + 1)
    assert evaluate(data, model, tmp_path / "scores.json") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("m2r2 evaluate: ")
    assert "takes features of 9 numbers" in error
    assert not (tmp_path / "scores.json").exists()


@pytest.mark.parametrize(
    "trained, found, status", [("0", "1", 2), ("0", "0", 0), ("", "1", 0), ("0", None, 0)]
)
def test_features_of_an_encoder_that_only_fits_are_one_clear_line(
    data, model, tmp_path, capsys, trained, found, status
):
    """Two encoders may give as many numbers; where one of both is not known, nothing is said."""
    write_head(model / "head.onnx", trained * 64)
    if found:
        made_with = {"encoder_sha256": found * 64, "layout": {"window_rate_hz": 10.0}}
        record = {"made_with": made_with, "recordings": {}}
        (data / "extraction.json").write_text(json.dumps(record))
    assert evaluate(data, model, tmp_path / "scores.json") == status
    error = capsys.readouterr().err
    assert ("was trained on another encoder" in error and f"that of {data}" in error) == bool(
        status
    )
    assert (tmp_path / "scores.json").exists() != bool(status)


def test_labels_of_another_data_set_are_one_clear_line(data, model, tmp_path, capsys):
    write_head(model / "head.onnx", "0" * 64, labels=("cut", "peel"))
    assert evaluate(data, model, tmp_path / "scores.json") == 2
    assert "knows none of the labels" in capsys.readouterr().err


def test_model_folder_without_a_head_is_one_clear_line(data, tmp_path, capsys):
    assert evaluate(data, tmp_path, tmp_path / "scores.json") == 2
    assert "head.onnx" in capsys.readouterr().err


# ---------------------------------------------------------------- other methods and the report


@pytest.fixture
def predicted(data, tmp_path):
    """Files of a method that is right but for one frame, and sure of it."""
    folder, labels = tmp_path / "predicted", FeatureFolder(data).labels
    write_mapping(folder, labels)
    for name in NAMES:
        truth = FeatureFolder(data).ground_truth(name)
        truth[-1] = labels[1 - labels.index(truth[-1])] if truth[-1] in labels[:2] else labels[0]
        write_prediction(folder, name, truth, np.eye(len(labels))[list(map(labels.index, truth))])
    return folder


def evaluate_files(data, predicted, json_path, *more) -> int:
    arguments = ["--data", data, "--split", 1, "--predictions", predicted, "--json", json_path]
    return main(["evaluate", *map(str, [*arguments, *more])])


def test_predictions_of_any_program_are_scored(data, predicted, tmp_path):
    path = tmp_path / "scores.json"
    assert evaluate_files(data, predicted, path) == 0
    scores = json.loads(path.read_text())
    assert list(scores) == PUBLISHED
    assert scores["acc"] == pytest.approx(100 * (FRAMES - 1) / FRAMES)


def test_background_labels_make_no_segments(data, predicted, tmp_path, capsys):
    truths = {label for name in NAMES for label in FeatureFolder(data).ground_truth(name)}
    path = tmp_path / "scores.json"
    # One frame differs, but once all its labels are background no segment does.
    labels = FeatureFolder(data).labels
    assert evaluate_files(data, predicted, path, "--background", *labels) == 0
    assert json.loads(path.read_text())["edit"] == 100
    assert evaluate_files(data, predicted, path, "--background", "nonsense") == 2
    assert "'nonsense' is no label of" in capsys.readouterr().err
    assert len(truths) > 1


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("predictions/first.txt", "Pick USB\nPick nothing\n", "predictions/first.txt: label"),
        ("predictions/first.txt", "Pick USB\n", "probabilities/first.npy: holds"),
        ("mapping.txt", "0 cut\n1 peel\n", "is not in mapping.txt"),
    ],
)
def test_bad_prediction_files_are_one_clear_line(
    data, predicted, tmp_path, capsys, file, content, message
):
    (predicted / file).write_text(content)
    assert evaluate_files(data, predicted, tmp_path / "scores.json") == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert message in error[0]
    assert not (tmp_path / "scores.json").exists()


def test_a_prediction_of_another_length_is_one_clear_line(data, predicted, tmp_path, capsys):
    (predicted / "probabilities" / "first.npy").unlink()
    (predicted / "predictions" / "first.txt").write_text("Pick USB\n")
    assert evaluate_files(data, predicted, tmp_path / "scores.json") == 2
    assert "first: the prediction has 1 frames, the ground truth 200" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("splits/test.split1.bundle", "", "test.split1.bundle: names no recording"),
        ("groundTruth/first.txt", "Pick USB\n", "groundTruth/first.txt: 1 labels, but"),
        ("groundTruth/first.txt", "Pick UBS\n" * FRAMES, "groundTruth/first.txt: label 'Pick UBS'"),
    ],
)
def test_bad_data_is_one_clear_line_that_names_the_file(
    data, model, tmp_path, capsys, file, content, message
):
    (data / file).write_text(content)
    assert evaluate(data, model, tmp_path / "scores.json") == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_features_that_are_not_finite_are_one_clear_line(data, model, tmp_path, capsys):
    path = data / "features" / "second.npy"
    values = np.load(path)
    values[0, 7] = np.nan
    np.save(path, values)
    assert evaluate(data, model, tmp_path / "scores.json") == 2
    assert "second.npy: holds NaN or infinite values" in capsys.readouterr().err


def test_report_is_one_file_with_all_scores_and_no_link_outside(data, model, tmp_path):
    json_path, report = tmp_path / "scores.json", tmp_path / "report.html"
    assert evaluate(data, model, json_path, "--report", str(report)) == 0
    page, figures = report.read_text(), json.loads(report.with_suffix(".json").read_text())
    levels = figures["levels"]
    assert list(levels) == ["fine", "coarse"]
    assert levels["fine"]["scores"] == pytest.approx(json.loads(json_path.read_text()))
    assert levels["coarse"]["scores"]["acc"] > levels["fine"]["scores"]["acc"]
    found = Page(page)
    assert found.headings[1:] == [
        "Scores",
        "Recordings, worst first",
        "Calibration",
        "Confusion",
        "Classes",
        "Timelines, worst first",
        *levels["fine"]["recordings"],
    ]
    for table in found.tables:
        assert len({len(row) for row in table}) == 1, "rows of different lengths"
    about, overall, recordings, *_ = found.tables
    for row, level in zip(overall[1::2], levels.values(), strict=True):
        assert [float(cell) for cell in row[1:]] == pytest.approx(
            list(level["scores"].values()), abs=0.051
        )
    assert [row[0] for row in recordings[1:]] == list(levels["fine"]["recordings"])
    # Beside it what needs no sensor, and of what all this is.
    truth = [label for name in NAMES for label in FeatureFolder(data).ground_truth(name)]
    commonest = max(set(truth), key=truth.count)
    assert [row[0] for row in overall[2::2]] == [f"{k}, always “{commonest}”" for k in levels]
    always = figures["always"]["levels"]["fine"]
    assert always["acc"] == pytest.approx(100 * truth.count(commonest) / len(truth))
    assert float(overall[2][1]) == pytest.approx(always["acc"], abs=0.051)
    said = dict(about)
    assert said["written by"] == f"m2r2_ros {__version__}"
    assert StreamingHead(model / "head.onnx").sha256[:12] in said["method"]
    assert f"2 recordings, 0.7 minutes in {2 * FRAMES} frames" in said["scored on"]
    # Both timelines, two confusion matrices, two reliability plots; nothing is fetched.
    pictures = [address for tag, address in found.addresses if tag == "img"]
    assert len(pictures) == 6
    for picture in pictures:
        assert picture.startswith("data:image/png;base64,")
        image = Image.open(io.BytesIO(base64.b64decode(picture.partition("base64,")[2])))
        assert min(image.size) > 300
        assert len(image.convert("L").getcolors()) > 10, "it is blank"
    links = [address for tag, address in found.addresses if tag != "img"]
    assert links == [f"#{name}" for name in found.ids]
    assert not found.elements & {"script", "link", "iframe", "object"}
    assert not re.search(r"https?://|url\(|@import", page)
    frames = np.array(levels["fine"]["confusion"]["frames"])
    assert frames.sum() == figures["frames"] == len(NAMES) * FRAMES


def test_report_begins_with_the_worst_recording(data, predicted, tmp_path):
    labels = FeatureFolder(data).labels
    wrong = [labels[0]] * FRAMES
    write_prediction(predicted, "second", wrong, np.eye(len(labels))[[0] * FRAMES])
    report = tmp_path / "report.html"
    assert evaluate_files(data, predicted, tmp_path / "s.json", "--report", report) == 0
    levels = json.loads((tmp_path / "report.json").read_text())["levels"]
    assert list(levels["fine"]["recordings"]) == ["second", "first"]
    page = report.read_text()
    assert page.index(">second<") < page.index(">first<")


def test_names_from_outside_cannot_write_html(tmp_path):
    label, path = "<script>alert(1)</script>", tmp_path / "report.html"
    # matplotlib would refuse this formula.
    formula = r"$\frac{$"
    prediction = Prediction("<b>name</b>", [label, formula], [formula, label])
    vocabulary = Vocabulary((label, formula))
    write_report(path, "<i>title</i>", [prediction], vocabulary, "fine", {"<b>": "<i>"}, label)
    page = path.read_text()
    assert not re.search("<script|<b>|<i>", page)
    assert "&lt;script&gt;" in page
    assert "gives no probabilities" in page


@pytest.mark.parametrize(
    ("scores", "report", "message"),
    [
        ("all.json", "all.html", "all.json: the report writes that file"),
        ("all.html", "all.html", "all.html: --json and --report are one file: name two"),
        ("scores.json", "report.json", "report.json: is HTML"),
    ],
)
def test_no_file_of_a_report_replaces_another(
    data, model, tmp_path, capsys, scores, report, message
):
    assert evaluate(data, model, tmp_path / scores, "--report", str(tmp_path / report)) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / scores).exists() and not (tmp_path / report).exists()


@pytest.mark.parametrize("place", ["", ".", "/", "loop/report.html"])
def test_a_report_that_cannot_be_written_is_one_line(
    data, model, tmp_path, monkeypatch, capsys, place
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    assert evaluate(data, model, tmp_path / "scores.json", "--report", place) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("m2r2 evaluate: ")


def test_test_recordings_that_are_trained_on_are_said_of_predictions_too(
    data, predicted, tmp_path, capsys
):
    assert evaluate_files(data, predicted, tmp_path / "scores.json") == 0
    assert "in train and in test" in capsys.readouterr().err


def test_the_raw_reading_is_the_head_without_its_tracker(data, model, tmp_path):
    scores = {}
    for reading in ("published", "held", "raw"):
        path = tmp_path / f"{reading}.json"
        assert evaluate(data, model, path, "--reading", reading) == 0
        scores[reading] = json.loads(path.read_text())
    head, right, total = StreamingHead(model / "head.onnx"), 0, 0
    for name in NAMES:
        head.reset()
        probabilities = np.array([head.step(feature)[0] for feature in features(name)])
        truth = FeatureFolder(data).ground_truth(name)
        said = [head.labels[index] for index in probabilities.argmax(1)]
        right += sum(a == b for a, b in zip(said, truth, strict=True))
        total += len(truth)
    assert scores["raw"]["acc"] == pytest.approx(100 * right / total)
    assert list(scores["raw"]) == PUBLISHED and list(scores["held"]) == [*PUBLISHED, *CAUSAL]
    assert scores["held"]["acc"] == scores["published"]["held_acc"]
    assert scores["held"]["f1@50"] == scores["published"]["held_f1@50"]
    assert scores["held"]["delay_s"] == scores["published"]["delay_s"]


def test_a_confirmation_of_less_than_a_frame_is_said(data, model, tmp_path, capsys):
    """The head waits for 0.3 s: three frames of 10 Hz, and less than one of 3 Hz."""
    said = "confirm_s 0.3 is less than the 0.333 s of a frame"
    for rate_hz in (3, 10):
        assert evaluate(data, model, tmp_path / "scores.json", "--rate", str(rate_hz)) == 0
        assert (said in capsys.readouterr().err) is (rate_hz == 3)


def test_a_head_that_tells_outcomes_is_scored_on_them(tmp_path, capsys):
    model, data = tmp_path / "model", tmp_path / "data"
    write_head(model / "head.onnx", "0" * 64, outlook=("progress", "outcome"))
    head, stamps = StreamingHead(model / "head.onnx"), nominal_stamps(FRAMES, 10)
    assert head.tells == ["progress", "outcome"]
    for name in NAMES:
        # The first number of the feature is told as progress and as the probability of success.
        shares = features(name)
        shares[:, 0] = 0.5 + np.sign(np.sin(np.arange(FRAMES) / 9 + len(name))) * 0.4
        found = stream(head, shares, stamps)
        truth = [label if label in LABELS else "No action" for label in found.published]
        said = np.where(shares[:, 0] > 0.5, "success", "failure").tolist()
        write_recording_features(data, name, shares, truth, outcomes=said)
    write_mapping(data, LABELS)
    write_split(data, 1, Split(train=NAMES, test=NAMES))
    path = tmp_path / "scores.json"
    report = tmp_path / "report.html"
    assert evaluate(data, model, path, "--report", str(report)) == 0
    scores = json.loads(path.read_text())
    assert list(scores) == [*PUBLISHED, *CAUSAL, "outcome", "progress"]
    figures = json.loads(report.with_suffix(".json").read_text())
    assert figures["outlook"] == {name: scores[name] for name in ("outcome", "progress")}
    assert "Outcome and progress" in report.read_text()
    total = sum(of["met"] for of in scores["outcome"].values())
    assert total > 0 and 0 <= scores["progress"]["all"]["error"] <= 1
    assert "outcome of" in capsys.readouterr().out
