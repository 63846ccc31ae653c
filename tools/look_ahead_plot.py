# SPDX-License-Identifier: Apache-2.0
"""What looking ahead is worth at equal delay: F1@50 against delay of heads that differ in it only.

    .venv/bin/m2r2 train --data features --split 1 --head causal --out runs/2 --config look2.yaml \
        --validation sim-1 sim-2
    .venv/bin/python tools/look_ahead_plot.py runs/*/head.onnx --data features --split 1 \
        --validation sim-1 sim-2 --out docs/look_ahead.png

A curve a head: a tracker by evidence at rising `commit_level`, from early to sure. The delay is
that of the label over all actions, from an action's true start, the frames looked ahead among it;
an action that is not recognised is late by its whole length. The figures are written beside the
picture, as .json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from m2r2_ros.datasets.frame_rate import ASSUMED_HZ
from m2r2_ros.datasets.mstcn import FeatureFolder, LabelledFeatures
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.training.learned_procedure import learn_procedure
from m2r2_ros.training.tracker_tuning import answers_of, score_tracker

matplotlib.use("agg")
from matplotlib import pyplot as plt

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
DELAYS = {"delay_s": "delay of the activity [s]", "label_delay_s": "delay of the label [s]"}


def points(
    graph: Path, training: Sequence[LabelledFeatures], kept: Sequence[LabelledFeatures]
) -> Iterator[dict[str, Any]]:
    """What a head scores on `kept` at each level; the order of labels is that of `training`."""
    head = StreamingHead(graph)
    rate_hz = head.metadata.rate_hz or ASSUMED_HZ
    procedure = learn_procedure(training, head.vocabulary, rate_hz)
    answers = [answers_of(head, recording) for recording in kept]
    for level in LEVELS:
        config = replace(head.metadata.tracker, commit_level=level)
        scored = score_tracker(answers, head.vocabulary, config, procedure)
        yield {
            "head": graph.parent.name,
            "look_ahead": head.metadata.look_ahead,
            "commit_level": level,
            "f1@50": round(scored.f1, 2),
            "recognised": round(scored.recognised, 2),
            **{name: round(getattr(scored, name), 3) for name in DELAYS},
        }


def draw(found: Sequence[dict[str, Any]], out: Path) -> None:
    """F1@50 against either delay, a line a head, a colour a look-ahead."""
    figure, axes = plt.subplots(1, len(DELAYS), figsize=(10, 4), sharey=True)
    ahead = sorted({point["look_ahead"] for point in found})
    colours = dict(zip(ahead, plt.cm.viridis(np.linspace(0, 0.85, len(ahead))), strict=True))
    for axis, (name, text) in zip(axes, DELAYS.items(), strict=True):
        told = set()
        for head in dict.fromkeys(point["head"] for point in found):
            line = [point for point in found if point["head"] == head]
            frames = line[0]["look_ahead"]
            at = [point[name] for point in line], [point["f1@50"] for point in line]
            label = None if frames in told else f"{frames} frames ahead"
            axis.plot(*at, "o-", color=colours[frames], markersize=3, label=label)
            told.add(frames)
        axis.set_xlabel(text)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("F1@50, published")
    axes[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    """Score and draw; 2 with one line where something is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("heads", type=Path, nargs="+", metavar="HEAD.onnx")
    parser.add_argument("--data", type=Path, required=True, help="folder in the MS-TCN layout")
    parser.add_argument("--split", type=int, default=1)
    parser.add_argument(
        "--validation", nargs="+", required=True, help="recordings that no head was trained on"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    args = parser.parse_args(arguments)
    try:
        folder, found = FeatureFolder(args.data), []
        names = [n for n in folder.split(args.split).train if n not in args.validation]
        training = [folder.read(name) for name in names]
        kept = [folder.read(name) for name in args.validation]
        with Progress(total=len(args.heads) * len(LEVELS), desc="levels") as progress:
            for graph in args.heads:
                for point in points(graph, training, kept):
                    found.append(point)
                    progress.update()
    except M2R2Error as error:
        print(error, file=sys.stderr)
        return 2
    args.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    draw(found, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
