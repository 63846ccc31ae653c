# SPDX-License-Identifier: Apache-2.0
"""Two processes that meet over gloo, as `accelerate launch` and `torchrun` start them."""

import json
import os
import socket
import subprocess
import sys

PROGRAM = """
import sys
from pathlib import Path
import torch
from m2r2_ros.training import distributed
from m2r2_ros.training.loop import train_epochs
from m2r2_ros.training.run import TrainingRun
from m2r2_ros.training.settings import OptimiserSettings

torch.set_num_threads(1)
distributed.connect()
order = []
with distributed.first_process_first():
    order = sorted(path.name for path in Path(sys.argv[1]).parent.glob("rank*"))
    Path(sys.argv[1]).parent.joinpath(f"rank{distributed.rank()}").touch()
assert order == [f"rank{i}" for i in range(distributed.rank())] or distributed.count() == 1, order

size = int(sys.argv[2])
torch.manual_seed(0)
data, wanted = torch.randn(24, 3), torch.randn(24, 1)
module = torch.nn.Linear(3, 1)

def batches(random):
    return [slice(start, start + size) for start in range(0, 24, size)]

def losses(rows):
    error = (module(data[rows]) - wanted[rows]).square().mean()
    return {"loss": error}

run = TrainingRun(Path(sys.argv[1]), {"size": 8})
train_epochs(run, module, OptimiserSettings(epochs=3), 0, batches, losses, [slice(0, 24)])
"""


def start(out, size, rank, count, port):
    out.parent.mkdir(exist_ok=True)
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
    environment = {
        **os.environ,
        **{name: str(value) for name, value in places.items()},
        "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(out), str(size)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process) -> None:
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error[-2000:]


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_two_processes_descend_as_one_with_twice_the_batch(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pair = [start(tmp_path / "pair" / "run", 4, rank, 2, port) for rank in range(2)]
    alone = start(tmp_path / "alone" / "run", 8, 0, 1, port)
    for process in (*pair, alone):
        finished(process)
    found, expected = metrics(tmp_path / "pair" / "run"), metrics(tmp_path / "alone" / "run")
    assert len(found) == len(expected) == 3
    for one, other in zip(found, expected, strict=True):
        for name, value in one.items():
            assert abs(value - other[name]) < 1e-5, name
