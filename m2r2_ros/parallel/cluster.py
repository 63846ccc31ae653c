# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster, where Ray is installed: what `--ray ADDRESS` of several commands means."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TypeVar

from m2r2_ros.errors import M2R2Error

LOCAL = "local"

# Ray itself waits for minutes.
_PATIENCE_S = 5.0
# Nobody else can reach it. Ray takes 127.0.0.1 for the network card's address.
_LOOPBACK = "127.0.0.2"
# Small results pass through it.
_LOCAL_STORE_BYTES = 256 * 2**20

Item = TypeVar("Item")
Result = TypeVar("Result")


def add_ray_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--ray` to a command."""
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help='spread the work over this Ray cluster (host:port, or "local" for this machine); '
        "files are read at the same paths on every machine",
    )


@contextmanager
def ray_cluster(address: str) -> Iterator[ModuleType]:
    """Give the `ray` module, connected to the cluster at `address`.

    "local" starts one on this machine that nobody else can reach and ends it with the block.
    Raises M2R2Error when Ray is not installed, or nothing answers there.
    """
    # Nothing is reported to Ray's makers.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        ray = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise M2R2Error("--ray needs Ray, which is not installed: pip install ray[data]") from error
    options = {"address": LOCAL, "_node_ip_address": _LOOPBACK, "include_dashboard": False}
    options["object_store_memory"] = _LOCAL_STORE_BYTES
    if address != LOCAL:
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
    function: Callable[[Item], Result], items: Iterable[Item], address: str, gpus: int = 0
) -> Iterator[Result]:
    """Yield function(item) of all items, as they are done, `gpus` GPUs to each.

    What a machine that fails was doing is done again elsewhere. Raises M2R2Error when that does
    not help; an exception of `function` is raised as it is.
    """
    with ray_cluster(address) as ray:
        # Ray takes plain functions only.
        call = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=3)(lambda item: function(item))
        pending = [call.remote(item) for item in items]
        try:
            while pending:
                (done, *_), pending = ray.wait(pending, num_returns=1)
                yield ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            raise M2R2Error(f"--ray {address}: work was lost: {first_line(error)}") from error


def _check_reachable(address: str) -> str:
    """The host of an address at which something listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise M2R2Error(f'--ray {address}: neither host:port nor "{LOCAL}"')
    try:
        socket.create_connection((host, int(port)), _PATIENCE_S).close()
    except OSError as error:
        raise M2R2Error(f"--ray {address}: no Ray cluster answers there") from error
    return host


def first_line(error: BaseException) -> str:
    """What an exception says first; Ray's go on for pages."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
