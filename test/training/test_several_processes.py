# SPDX-License-Identifier: Apache-2.0
"""Two processes that meet over gloo, as `torchrun` starts them."""

import json
import os
import signal
import socket
import subprocess
import sys

PROGRAM = """
import os
import signal
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
# In the same batch one process may use `rare`, and the other one not.
module = torch.nn.ModuleDict({"usual": torch.nn.Linear(3, 1), "rare": torch.nn.Linear(3, 1)})

epochs_drawn = 0

def batches(random):
    global epochs_drawn
    epochs_drawn += 1
    if epochs_drawn == 2 and "KILLED" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    return [slice(start, start + size) for start in range(0, 24, size)]

def losses(rows):
    found, early = module["usual"](data[rows]), max(0, min(12, rows.stop) - rows.start)
    if early:
        found = found + torch.cat([module["rare"](data[rows][:early]), 0 * found[early:]])
    return {"loss": (found - wanted[rows]).square().mean(), "shown": found.mean()}

run = TrainingRun(Path(sys.argv[1]), {"size": 8})
train_epochs(run, module, OptimiserSettings(epochs=3), 0, batches, losses, [slice(0, 24)])
"""


def start(out, size, rank, count, port, **more):
    out.parent.mkdir(exist_ok=True)
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
    environment = {
        **os.environ,
        **{name: str(value) for name, value in places.items()},
        "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        **more,
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(out), str(size)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process) -> None:
    _, error = process.communicate()
    assert process.returncode == 0, error[-2000:]


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def start_pair(tmp_path, **more):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [start(tmp_path / "pair" / "run", 4, rank, 2, port, **more) for rank in range(2)]


def test_two_processes_descend_as_one_with_twice_the_batch_and_go_on_when_killed(tmp_path):
    alone = start(tmp_path / "alone" / "run", 8, 0, 1, 0)
    killed = start_pair(tmp_path, KILLED="1")
    for process in killed:
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert len(metrics(tmp_path / "pair" / "run")) == 1
    for path in tmp_path.glob("pair/rank*"):
        path.unlink()
    for process in (*start_pair(tmp_path), alone):
        finished(process)
    found, expected = metrics(tmp_path / "pair" / "run"), metrics(tmp_path / "alone" / "run")
    assert len(found) == len(expected) == 3
    for one, other in zip(found, expected, strict=True):
        for name, value in one.items():
            assert abs(value - other[name]) < 1e-5, name
