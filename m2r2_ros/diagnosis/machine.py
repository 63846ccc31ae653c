# SPDX-License-Identifier: Apache-2.0
"""The computer that the chain runs on: versions, clock, disk, GPU, shared memory."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import onnxruntime

from m2r2_ros import __version__
from m2r2_ros.diagnosis.leftovers import left_behind
from m2r2_ros.diagnosis.remarks import ERROR, WARNING, Remark
from m2r2_ros.diagnosis.trial import Surveys
from m2r2_ros.errors import missing_package
from m2r2_ros.inference.session import CPU

_SHARED = Path("/dev/shm")
# What ntp_adjtime says of a clock that nobody keeps right, and the size of its record.
_UNSYNCHRONISED, _TIMEX_BYTES = 5, 512
# Fast DDS takes one segment a process (`nodes/fastdds.xml`): drivers, ours, a recorder.
_SEGMENT_BYTES, _PROCESSES = 32 << 20, 4
_LEAST_PICTURES = 8
_SHORTEST_MINUTES = 30.0
# Less than what ten killed programs leave is not worth a word.
_LEFT_BEHIND_BYTES = 10 * _SEGMENT_BYTES


def facts() -> dict[str, str]:
    """What is installed, and how it is set up."""
    names = ("numpy", "onnxruntime", "rosbags")
    packages = {name: _version(name) for name in names}
    return {
        "m2r2_ros": __version__,
        "python": platform.python_version(),
        **packages,
        "ROS": os.environ.get("ROS_DISTRO") or f"rclpy {_version('ros-rclpy')}",
        "RMW": os.environ.get("RMW_IMPLEMENTATION", "default"),
        "domain": os.environ.get("ROS_DOMAIN_ID", "0"),
        "discovery": os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "default"),
        "providers offered": ", ".join(onnxruntime.get_available_providers()),
        "cores": str(os.cpu_count()),
        "disk free": f"{shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB",
        "shared memory": _shared_memory(),
        "clock": "synchronised" if is_clock_kept() else "not synchronised (ntp_adjtime)",
    }


def machine_remarks(surveys: Surveys, is_live: bool) -> Iterator[Remark]:
    """What of it gets in the way. A bag is read without ROS, on any machine."""
    offered = onnxruntime.get_available_providers()
    if Path("/dev/nvidia0").exists() and all(name == CPU for name in offered):
        yield Remark(WARNING, "there is a GPU, but onnxruntime has no provider for it")
    rate = sum(survey.bytes_per_s for survey in surveys.values())
    minutes = shutil.disk_usage(Path.cwd()).free / rate / 60 if rate else _SHORTEST_MINUTES
    if minutes < _SHORTEST_MINUTES:
        text = f"{rate / 1e6:.1f} MB/s fill the disk here in {minutes:.0f} minutes"
        yield Remark(WARNING, text)
    if is_live:
        yield from _live_remarks(surveys)


def is_clock_kept() -> bool:
    """Whether the kernel says that this machine's clock follows a time server."""
    try:
        record = ctypes.create_string_buffer(_TIMEX_BYTES)
        return ctypes.CDLL(None).ntp_adjtime(record) != _UNSYNCHRONISED
    except (AttributeError, OSError):
        return True


def _live_remarks(surveys: Surveys) -> Iterator[Remark]:
    for package in ("rclpy", "m2r2_msgs"):
        if importlib.util.find_spec(package) is None:
            yield Remark(ERROR, missing_package(package))
    if not is_clock_kept():
        text = "this machine's clock follows no time server; with other machines: chronyc tracking"
        yield Remark(WARNING, text)
    yield from _leftover_remarks()
    largest = max((survey.largest for survey in surveys.values()), default=0)
    needed = max(_SEGMENT_BYTES, _LEAST_PICTURES * largest) * _PROCESSES
    if _SHARED.exists() and (free := shutil.disk_usage(_SHARED).free) < needed:
        yield Remark(
            WARNING,
            f"{_SHARED} has {free / 1e6:.0f} MB free, messages of up to {largest / 1e6:.1f} MB "
            f"want {needed / 1e6:.0f} MB: pictures get lost (Docker: --shm-size 1g)",
        )


def _leftover_remarks() -> Iterator[Remark]:
    count, size = left_behind(_SHARED)
    if size > _LEFT_BEHIND_BYTES:
        yield Remark(
            WARNING,
            f"{count} segments in {_SHARED} were left by killed programs and hold "
            f"{size / 1e6:.0f} MB of memory: fastdds shm clean",
        )


def _shared_memory() -> str:
    if not _SHARED.exists():
        return "none"
    usage = shutil.disk_usage(_SHARED)
    return f"{usage.free / 1e6:.0f} of {usage.total / 1e6:.0f} MB free"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
