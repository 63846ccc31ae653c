# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster, where Ray is installed: what `--ray ADDRESS` of the commands means."""

from __future__ import annotations

import importlib
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import ModuleType
from typing import TypeVar

from m2r2_ros.errors import M2R2Error

LOCAL = "local"
# The cluster that this machine is part of.
AUTO = "auto"

# Ray itself waits for minutes.
_PATIENCE_S = 5.0
# Nobody else can reach it. Ray takes 127.0.0.1 for the network card's address.
_LOOPBACK = "127.0.0.2"
# Small results pass through it.
_LOCAL_STORE_BYTES = 256 * 2**20
# How often a piece is begun again whose process or machine was killed.
_RETRIES = 3
# Pieces a processor that are under way or done and not yet taken: one, and the next.
_AHEAD = 2

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def ray_cluster(address: str) -> Iterator[ModuleType]:
    """Give the `ray` module, connected to the cluster at `address`.

    "local" starts one on this machine that nobody else can reach and ends it with the block;
    "auto" is the one that this machine is part of.
    Raises M2R2Error when Ray is not installed, or nothing answers there.
    """
    # Nothing is reported to Ray's makers.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Ray would begin again for ever what takes more memory than there is.
    os.environ.setdefault("RAY_task_oom_retries", str(_RETRIES))
    try:
        ray = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise M2R2Error("--ray needs Ray, which is not installed: pip install ray") from error
    options = {"address": LOCAL, "_node_ip_address": _LOOPBACK, "include_dashboard": False}
    options["object_store_memory"] = _LOCAL_STORE_BYTES
    if address == AUTO:
        options = {"address": AUTO}
    elif address != LOCAL:
        host = _check_reachable(address)
        options = {"address": address}
        if host.startswith("127."):
            options["_node_ip_address"] = host
    try:
        ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)
    except (ConnectionError, ValueError, RuntimeError, OSError, TimeoutError) as error:
        raise M2R2Error(f"--ray {address}: cannot connect: {first_line(error)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def over_cluster(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    address: str,
    lost: Callable[[Item, str], Result],
    gpus: int = 0,
) -> Iterator[Result]:
    """Yield function(item) of all items, as they are done, `gpus` GPUs to each.

    Few are under way, or done and not yet taken, so that the object store holds few results. What a
    machine that fails was doing is done again elsewhere; where that does not help, `lost` gives the
    result for the item and the reason. An exception of `function` is raised as it is. Raises
    M2R2Error when the cluster is gone.
    """
    with ray_cluster(address) as ray:
        _check_gpus(ray, address, gpus)
        # Ray takes plain functions only.
        call = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=_RETRIES)(
            lambda item: function(item)
        )
        waiting, running = iter(items), {}
        try:
            while True:
                for item in islice(waiting, max(0, _room(ray) - len(running))):
                    running[call.remote(item)] = item
                if not running:
                    return
                (done, *_), _ = ray.wait(list(running), num_returns=1)
                yield _result(ray, done, running.pop(done), lost)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            raise M2R2Error(f"--ray {address}: work was lost: {first_line(error)}") from error


def _room(ray: ModuleType) -> int:
    """Items that may be under way; machines that have joined by now count."""
    return _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))


def _check_gpus(ray: ModuleType, address: str, gpus: int) -> None:
    """Ray itself waits for ever for what no machine has."""
    if ray.cluster_resources().get("GPU", 0) < gpus:
        raise M2R2Error(f"--ray {address}: no machine of this cluster has a GPU for --require-gpu")


def _result(
    ray: ModuleType, reference: object, item: Item, lost: Callable[[Item, str], Result]
) -> Result:
    """An item's result; where its processes or machines were killed each time, `lost`."""
    died = ray.exceptions
    try:
        return ray.get(reference)
    except (died.WorkerCrashedError, died.NodeDiedError, died.OutOfMemoryError) as error:
        why = f"its process was killed {_RETRIES + 1} times: {first_line(error)}"
    except died.ObjectLostError as error:
        why = f"its result was lost: {first_line(error)}"
    return lost(item, why)


def _check_reachable(address: str) -> str:
    """The host of an address at which something listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise M2R2Error(f'--ray {address}: neither host:port, "{AUTO}" nor "{LOCAL}"')
    try:
        socket.create_connection((host, int(port)), _PATIENCE_S).close()
    except OSError as error:
        raise M2R2Error(f"--ray {address}: no Ray cluster answers there") from error
    return host


def first_line(error: BaseException) -> str:
    """What an exception says first; Ray's go on for pages."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
