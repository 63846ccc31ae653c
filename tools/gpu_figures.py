# SPDX-License-Identifier: Apache-2.0
"""Measure the encoder on a machine with a GPU and put the figures into docs/performance.md.

In an environment with onnxruntime-gpu in place of onnxruntime; a few minutes, most of them for
TensorRT's engines where TensorRT is installed.

    python tools/gpu_figures.py                       # the shipped models
    python tools/gpu_figures.py my_models             # others
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures of tools/gpu_figures.py -->", "<!-- end of figures -->"


def main(models: list[str]) -> int:
    tables = [table(name, measure(name)) for name in models or ["models/taskboard_compact"]]
    PAGE.write_text(with_figures(PAGE.read_text("utf-8"), "\n\n".join(tables)), "utf-8")
    print(*tables, sep="\n\n")
    return 0


def measure(models: str) -> dict[str, Any]:
    """What `m2r2 bench gpu` finds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bench.json")
        command = [sys.executable, "-m", "m2r2_ros.cli.main", "bench", "gpu"]
        subprocess.run([*command, "--models", models, "--json", str(file)], check=True)
        found = json.loads(file.read_text("utf-8"))["gpu"]
    if found["ratio"] is None:
        sys.exit(found["gpu"])
    return found


def table(models: str, found: Mapping[str, Any]) -> str:
    """A line a way of running the encoder."""
    expected = found["expected"]
    said = f"{expected['gflops']} GFLOP and {expected['mb']} MB a window"
    if "expected_ms" in expected:
        said += f": {expected['expected_ms']} ms by the roofline, {expected['least_ms']} fused"
    lines = [
        f"`{models}` on {found['device']}; {said}.",
        "",
        "| way | p50 [ms] | p99 [ms] | first window [s] | largest difference |",
        "|---|---|---|---|---|",
    ]
    for name, way in found.items():
        if isinstance(way, Mapping) and "window_ms" in way:
            times, apart = way["window_ms"], way.get("largest_difference", "")
            lines.append(
                f"| {name} | {times['p50']} | {times['p99']} | {way['ready_s']} | {apart} |"
            )
    return "\n".join(lines)


def with_figures(page: str, figures: str) -> str:
    """The page with these figures in place of those that were there."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
