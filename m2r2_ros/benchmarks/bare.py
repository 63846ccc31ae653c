# SPDX-License-Identifier: Apache-2.0
"""The two onnxruntime calls of a window, once a window's period, until a signal.

A program of its own that takes `-p models:=FOLDER` as the nodes do, so that it can run beside them
under the same load. The sums [ms] are its last line, as JSON.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path

from m2r2_ros.benchmarks.bare_models import bare_calls, one_window


def sums_ms(models: Path, stop: threading.Event, count: int | None = None) -> list[float]:
    """Encoder and head alone, paced like windows, `count` times or until `stop` is set."""
    window, layout = one_window(models)
    encode, step = bare_calls(models, window)
    period_s = layout.period_ns / 1e9
    began, sums = time.perf_counter(), []
    while len(sums) != count:
        # Against absolute deadlines; what is late follows at once.
        due_s = began + len(sums) * period_s
        if stop.wait(max(0.0, due_s - time.perf_counter())):
            break
        started = time.perf_counter()
        step(encode())
        sums.append(1e3 * (time.perf_counter() - started))
    return sums


def main() -> int:
    """Measure until a signal."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    (models,) = (word.partition(":=")[2] for word in sys.argv if word.startswith("models:="))
    print(json.dumps(sums_ms(Path(models), stop)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
