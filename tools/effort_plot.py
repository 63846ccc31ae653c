# SPDX-License-Identifier: Apache-2.0
"""Draw the curves of tools/effort_curve.py: what is published against how many were labelled.

    .venv/bin/python tools/effort_plot.py docs/effort/*.json --out docs/effort/curve.png

A column a file; a point a training, a line their mean.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("agg")
from matplotlib import pyplot as plt

ROWS = {"f1@50": "F1@50, published", "delay_s": "delay [s]"}
COLOURS = {"scratch": "#1b5fc1", "frozen": "#c05a00", "fine-tuned": "#2a7f3f"}


def means(points: Iterable[dict[str, Any]], way: str, score: str) -> dict[int, float]:
    """Size -> mean over the draws; a score that a training lacks is left out."""
    found: dict[int, list[float]] = {}
    for point in points:
        if point["way"] == way and point.get(score) is not None:
            found.setdefault(point["size"], []).append(point[score])
    return {size: float(np.mean(found[size])) for size in sorted(found)}


def draw(files: Sequence[Path], out: Path) -> None:
    """One picture of all files."""
    figure, axes = plt.subplots(
        len(ROWS), len(files), figsize=(4 * len(files) + 1, 5), squeeze=False, sharex="col"
    )
    for column, file in zip(axes.T, files, strict=True):
        points = list(json.loads(file.read_text("utf-8")).values())
        column[0].set_title(file.stem.replace("_", " "))
        for axis, (score, text) in zip(column, ROWS.items(), strict=True):
            _curves(axis, points, score)
            axis.set_ylabel(text)
        column[0].set_ylim(0, 105)
        column[1].set_ylim(bottom=0)
        column[1].set_xlabel("labelled recordings")
    axes[0][0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


def _curves(axis: Any, points: list[dict[str, Any]], score: str) -> None:
    sizes = sorted({point["size"] for point in points})
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, map(str, sizes))
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    for way in dict.fromkeys(point["way"] for point in points):
        mean = means(points, way, score)
        axis.plot(list(mean), list(mean.values()), color=COLOURS[way], label=way)
        shown = [p for p in points if p["way"] == way and p.get(score) is not None]
        at = [p["size"] for p in shown], [p[score] for p in shown]
        axis.plot(*at, "o", color=COLOURS[way], alpha=0.5, markersize=4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="JSON")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    args = parser.parse_args()
    draw(args.files, args.out)
