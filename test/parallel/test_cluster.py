# SPDX-License-Identifier: Apache-2.0
"""`--ray`: the same outputs from a cluster of two machines, played by this one."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import descriptions
import pytest
from fake_endpoint import FakeEndpoint
from recordings import recording
from tiny_models import write_encoder

from m2r2_ros.cli import main as command
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.spread import Workers, spread
from m2r2_ros.sensing.layout import SensorLayout

KEY = "sk-f4ke-0123456789abcdef"


OPTIONS = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def machines() -> Iterator[Any]:
    """A cluster of two machines with a processor each, on loopback only."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # The cluster's machines have the key, as the one that gives the command has.
    patch.setenv("OPENAI_API_KEY", KEY)
    cluster = Cluster(
        initialize_head=True, head_node_args={"node_ip_address": "127.0.0.2", **OPTIONS}
    )
    cluster.add_node(node_ip_address="127.0.0.2", **OPTIONS)
    yield cluster
    cluster.shutdown()
    patch.undo()


@pytest.fixture
def cluster(machines: Any) -> str:
    """Its address."""
    return machines.address


def run(*arguments: object) -> int:
    return command.main([str(argument) for argument in arguments])


def outputs(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_extracts_the_same_features(cluster: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    write_encoder(Path("encoder.onnx"), SensorLayout(cameras=("hama1",)))
    for name in ("a", "b", "c"):
        write_recording(Path("data") / f"{name}.h5", recording(2.0, name, cameras=("hama1",)))
    arguments = ("extract", "data", "--encoder", "encoder.onnx", "--out")
    assert run(*arguments, "here") == 0
    Path("data/bad.h5").write_bytes(b"no recording")
    assert run(*arguments, "there", "--ray", cluster) == 2
    assert "bad: " in capsys.readouterr().err
    Path("data/bad.h5").unlink()
    assert run(*arguments, "there", "--ray", cluster) == 0
    assert "3 were there already" in capsys.readouterr().out
    here, there = outputs(tmp_path / "here"), outputs(tmp_path / "there")
    records = [json.loads(files.pop("extraction.json")) for files in (here, there)]
    same = here == there and records[0] == records[1]
    assert same


@pytest.mark.parametrize("how", ["rules", "language model"])
def test_annotates_with_the_same_outputs(how: str, cluster: str, tmp_path: Path, capfd) -> None:
    rows = descriptions.rows()[::20]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    answers = {" ".join(row["description"].split()): descriptions.known_answer(row) for row in rows}
    with FakeEndpoint(answers).running() as endpoint:
        more = ["--llm", "m", "--base-url", endpoint.url] if how == "language model" else []
        assert run("annotate", manifest, "--out", tmp_path / "here", *more) == 0
        assert run("annotate", manifest, "--out", tmp_path / "there", "--ray", cluster, *more) == 0
        asked = set(endpoint.asked.values())
    assert asked == ({2} if more else set())  # Once here, once there.
    here, there = outputs(tmp_path / "here"), outputs(tmp_path / "there")
    here.pop("answers.sqlite", None)
    database = there.pop("answers.sqlite", b"")
    same = here == there and len(here) == 3
    assert same
    assert KEY.encode() not in database
    assert KEY not in "".join(capfd.readouterr())


def test_a_refused_key_is_one_line_from_a_cluster_too(cluster: str, tmp_path: Path, capfd) -> None:
    (tmp_path / "m.csv").write_text("video,description\na,Insert USB.\n")
    with FakeEndpoint({}).running() as endpoint:
        endpoint.refuse_with = 401
        more = ("--llm", "m", "--base-url", endpoint.url, "--ray", cluster)
        assert run("annotate", tmp_path / "m.csv", "--out", tmp_path / "out", *more) == 2
    complaint = capfd.readouterr().err
    assert "endpoint refuses" in complaint.splitlines()[-1]
    assert KEY not in complaint


def test_a_killed_worker_and_a_killed_machine_lose_nothing(machines: Any, tmp_path: Path) -> None:
    """Pieces wait until the second machine, at work on one of them, is killed."""
    (lost,) = machines.worker_nodes
    killed, gone = tmp_path / "killed", tmp_path / "gone"

    def work(piece: int) -> int:
        import ray

        (tmp_path / f"{piece}-{ray.get_runtime_context().get_node_id()}.begun").touch()
        if piece == 0 and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if piece == 1:
            raise M2R2Error("no recording")
        while not gone.exists():
            time.sleep(0.02)
        return 10 * piece

    def kill() -> None:
        while not list(tmp_path.glob(f"[02-9]-{lost.node_id}.begun")):
            time.sleep(0.02)
        machines.remove_node(lost, allow_graceful=False)
        gone.touch()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    done = []
    for each in spread(work, range(8), Workers(ray=machines.address), "working"):
        done.append(each)
        # Two processors when it began, and two pieces each.
        begun = {path.name.partition("-")[0] for path in tmp_path.glob("*.begun")}
        assert len(begun) <= len(done) + 4
    killer.join()
    assert sorted(each.piece for each in done) == list(range(8))
    assert {each.piece: each.error for each in done if each.error} == {1: "no recording"}
    assert all(each.result == 10 * each.piece for each in done if not each.error)
    assert killed.exists()


@pytest.mark.parametrize("verb", ["extract", "annotate"])
def test_a_cluster_that_is_not_there_is_one_line(verb: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "m.csv").write_text("video,description\na,Insert USB.\n")
    write_encoder(tmp_path / "encoder.onnx", SensorLayout(cameras=("hama1",)))
    write_recording(tmp_path / "a.h5", recording(1.0, "a", cameras=("hama1",)))
    sources = {"annotate": ["m.csv"], "extract": ["a.h5", "--encoder", tmp_path / "encoder.onnx"]}
    first, *rest = sources[verb]
    status = run(verb, tmp_path / first, *rest, "--out", tmp_path / "o", "--ray", "127.0.0.2:1")
    assert status == 2
    assert "no Ray cluster answers there" in capsys.readouterr().err


def test_without_ray_it_says_so_in_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    write_encoder(tmp_path / "encoder.onnx", SensorLayout(cameras=("hama1",)))
    write_recording(tmp_path / "a.h5", recording(1.0, "a", cameras=("hama1",)))
    arguments = ("extract", tmp_path / "a.h5", "--encoder", tmp_path / "encoder.onnx")
    assert run(*arguments, "--out", tmp_path / "out", "--ray", "local") == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("m2r2 extract: --ray needs Ray, which is not installed")
    assert complaint.count("\n") == 1
