# SPDX-License-Identifier: Apache-2.0
"""The pictures of an evaluation report, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from m2r2_ros.evaluation.frame_times import segments_from_frames
from m2r2_ros.evaluation.literal_text import literal_text, save_literally
from m2r2_ros.evaluation.predictions import Prediction
from m2r2_ros.evaluation.reliability import Reliability
from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.evaluation.timeline import draw_timeline
from m2r2_ros.vocabulary import Vocabulary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100
# Above this, cells of the confusion matrix are too small for numbers.
_MOST_WRITTEN = 12


def timeline_png(prediction: Prediction, vocabulary: Vocabulary) -> bytes:
    """Ground truth above prediction."""
    frames = (prediction.truth, prediction.labels)
    return segments_png(*(segments_from_frames(f, prediction.edges) for f in frames), vocabulary)


@literal_text()
def segments_png(
    truth: Sequence[Segment], prediction: Sequence[Segment], vocabulary: Vocabulary
) -> bytes:
    """Ground truth above prediction, of which one at least is not empty."""
    return _png(draw_timeline({"ground truth": truth, "prediction": prediction}, vocabulary))


@literal_text()
def confusion_png(matrix: np.ndarray, labels: Sequence[str]) -> bytes:
    """Frames by true (rows) and predicted class, as parts of each row."""
    from matplotlib.figure import Figure

    rows = matrix.sum(axis=1, keepdims=True)
    parts = np.divide(matrix, rows, np.zeros(matrix.shape), where=rows > 0)
    written = len(labels) <= _MOST_WRITTEN
    # Inches a cell: "100" has to fit.
    size = max(4.0, (0.4 if written else 0.2) * len(labels) + 2)
    figure = Figure(figsize=(size, size), layout="constrained")
    axis = figure.add_subplot()
    image = axis.imshow(parts, cmap="Blues", vmin=0, vmax=1)
    places = range(len(labels))
    axis.set_xticks(places, labels, rotation=90, fontsize=8)
    axis.set_yticks(places, labels, fontsize=8)
    axis.set(xlabel="predicted", ylabel="true")
    if written:
        for (row, column), part in np.ndenumerate(parts):
            ink = "white" if part > 0.5 else "black"
            number = f"{100 * part:.0f}"
            axis.text(column, row, number, ha="center", va="center", color=ink, fontsize=8)
    figure.colorbar(image, ax=axis, shrink=0.6, label="part of the true class's frames")
    return _png(figure)


def reliability_png(result: Reliability) -> bytes:
    """Accuracy over confidence, and how many frames have that confidence."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = len(result.frames)
    middles = (np.arange(bins) + 0.5) / bins
    upper.bar(middles, result.accuracy, 1 / bins, color="#0072B2", edgecolor="white")
    upper.plot((0, 1), (0, 1), "--", color="0.4", lw=1)
    upper.plot(result.confidence, result.accuracy, "o", color="#D55E00", ms=4, label="mean")
    upper.set(ylim=(0, 1), ylabel="accuracy")
    upper.set_title(f"expected calibration error {100 * result.expected_error:.1f} %", fontsize=10)
    lower.bar(middles, result.frames, 1 / bins, color="0.6", edgecolor="white")
    lower.set(xlim=(0, 1), xlabel="confidence", ylabel="frames")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    save_literally(figure, buffer, "png", _DPI)
    return buffer.getvalue()
