# SPDX-License-Identifier: Apache-2.0
"""Help and refusals do not wait for torch, which takes seconds to import."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

PROGRAM = """
import json, sys
from m2r2_ros.cli.main import main
late = []
for words in json.loads(sys.argv[1]):
    try:
        status = main(words)
    except SystemExit as end:
        status = end.code
    if status != (0 if "--help" in words else 2) or "torch" in sys.modules:
        late.append((words, status, "torch" in sys.modules))
sys.exit(str(late) if late else 0)
"""


def feature_folder(folder):
    """Two recordings with labels."""
    labels = ["rest"] * 8 + ["pick"] * 8
    for kind in ("features", "groundTruth", "splits"):
        (folder / kind).mkdir(parents=True)
    for name in ("one", "two"):
        np.save(folder / "features" / f"{name}.npy", np.zeros((4, len(labels)), np.float32))
        (folder / "groundTruth" / f"{name}.txt").write_text("\n".join(labels) + "\n")
    (folder / "mapping.txt").write_text("0 rest\n1 pick\n")
    (folder / "splits" / "train.split1.bundle").write_text("one.txt\n")
    (folder / "splits" / "test.split1.bundle").write_text("two.txt\n")
    return folder


def test_torch_is_not_imported_for_what_is_refused(tmp_path):
    data, out, absent = feature_folder(tmp_path / "data"), tmp_path / "out", tmp_path / "absent"
    damaged = tmp_path / "damaged.yaml"
    damaged.write_text("epochs: [")
    train = ["train", "--data", data, "--split", 1, "--head", "causal", "--out", out]
    pretrain = ["pretrain", "--encoder", "m2r2", "--out", out, "--data"]
    verbs = ("segment", "evaluate", "train", "pretrain", "learn")
    commands = [
        ["--help"],
        *([verb, "--help"] for verb in verbs),
        ["segment", absent, "--models", absent, "--json", out],
        ["evaluate", "--data", absent, "--split", 1, "--model", absent, "--json", out],
        ["train", "--data", absent, "--split", 1, "--head", "causal", "--out", out],
        [*train[:3], "--split", 7, *train[5:]],
        [*train, "--rate", -1],
        [*train, "--epochs", 0],
        [*train, "--seed", -1],
        [*train, "--config", absent],
        [*train, "--config", damaged],
        [*pretrain, absent],
        [*pretrain, data, "--config", absent],
        ["learn", absent, "--out", out],
        ["learn", data, "--out", out, "--workers", 0],
    ]
    words = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()
