# SPDX-License-Identifier: Apache-2.0
"""What in a file departs from the published REASSEMBLE format, read with h5py alone.

It shares no code with the package and is written from the format's description, so that a mistake
that reader and writer have in common is found.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

CAMERAS = {"hama1", "hama2", "hand"}
MICROPHONES = {"hama1_audio", "hama2_audio", "hand_audio"}
EVENT_CAMERA = {"events", "capture_node", "capture_node-camera-image"}
GROUPS = {"robot_state", "timestamps", "segments_info"}

# Columns, and a magnitude [N, N m, m, rad, and these per second] that a Franka at work does not
# reach, and that values in other units (mm, degrees) exceed.
SIGNALS = {
    "measured_force": (3, 500),
    "measured_torque": (3, 60),
    "compensated_base_force": (3, 500),
    "compensated_base_torque": (3, 500),
    "pose": (7, 1.5),
    "velocity": (6, 6),
    "gripper_positions": (2, 0.0415),
    "gripper_velocities": (2, 1),
    "gripper_efforts": (2, 200),
    "joint_positions": (7, 3.8),
    "joint_velocities": (7, 8),
    "joint_efforts": (7, 100),
}
TEXTS = {b"No action."} | {
    f"{activity} {name}.".encode()
    for activity in ("Pick", "Insert", "Remove", "Place")
    for name in (
        *(f"{shape} peg {number}" for shape in ("round", "square") for number in range(1, 5)),
        *("BNC", "D-SUB", "USB", "Ethernet", "waterproof", "bolt 4"),
        *("large gear", "medium gear", "small gear"),
    )
}
SKILLS = {
    b"Grasp",
    b"Pull",
    b"Release",
    b"Push",
    b"Twist",
    b"Approach",
    b"Align",
    b"Lift",
    b"Nudge",
}


def violations(path: Path) -> list[str]:
    """What in a file is not as the format says, a line each."""
    with h5py.File(path, "r") as file:
        known = CAMERAS | MICROPHONES | EVENT_CAMERA | GROUPS
        found = [f"/{name} is not in the format" for name in file.keys() - known]
        if missing := GROUPS - file.keys():
            return [*found, *(f"/{name} is missing" for name in missing)]
        for name in sorted(CAMERAS & file.keys()):
            found += payload(file[name], lambda head: head[4:8] == b"ftyp", "an MP4")
            found += clock(file, name)
        for name in sorted(MICROPHONES & file.keys()):
            found += payload(file[name], is_mp3, "an MP3")
        for name in file["robot_state"]:
            found += signal(file, name)
        extra = file["timestamps"].keys() - CAMERAS - EVENT_CAMERA - file["robot_state"].keys()
        found += [f"timestamps/{name} belongs to no stream" for name in extra]
        return found + segments(file["segments_info"])


def payload(dataset: h5py.Dataset, is_right, kind: str) -> list[str]:
    if dataset.shape != () or dataset.dtype.kind != "V":
        return [f"{dataset.name} is {dataset.dtype} {dataset.shape}, not one opaque value"]
    return [] if is_right(dataset[()].tobytes()[:8]) else [f"{dataset.name} is not {kind}"]


def is_mp3(head: bytes) -> bool:
    return head[:3] == b"ID3" or (head[0] == 0xFF and head[1] & 0xE0 == 0xE0)


def clock(file: h5py.File, name: str) -> list[str]:
    if name not in file["timestamps"]:
        return [f"timestamps/{name} is missing"]
    dataset = file["timestamps"][name]
    if dataset.dtype.kind != "f" or dataset.shape not in ((dataset.size,), (dataset.size, 1)):
        return [f"{dataset.name} is {dataset.dtype} {dataset.shape}"]
    times = dataset[()].reshape(-1)
    found = []
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        found.append(f"{dataset.name} is not strictly increasing")
    elif times[0] < 0 or times[-1] > 3600:
        found.append(f"{dataset.name} runs from {times[0]} s to {times[-1]} s")
    elif len(times) > 1 and not 2 <= 1 / np.median(np.diff(times)) <= 2000:
        found.append(f"{dataset.name} ticks at {1 / np.median(np.diff(times))} Hz")
    return found


def signal(file: h5py.File, name: str) -> list[str]:
    if name not in SIGNALS:
        return [f"robot_state/{name} is not in the format"]
    (width, largest), dataset = SIGNALS[name], file["robot_state"][name]
    if dataset.dtype.kind != "f" or dataset.ndim != 2 or dataset.shape[1] != width:
        return [f"{dataset.name} is {dataset.dtype} {dataset.shape}"]
    found = clock(file, name)
    if not found and file["timestamps"][name].size != len(dataset):
        found.append(f"{dataset.name} has {len(dataset)} samples, not one for each timestamp")
    values = dataset[()]
    if not (np.abs(values) <= largest).all():
        found.append(f"{dataset.name} exceeds {largest}, or is not finite")
    if name == "pose" and not np.allclose(np.linalg.norm(values[:, 3:], axis=1), 1, atol=0.01):
        found.append(f"{dataset.name} holds no unit quaternions")
    return found


def segments(group: h5py.Group) -> list[str]:
    if sorted(group.keys(), key=str) != sorted(map(str, range(len(group)))):
        return [f"{group.name} is not numbered from 0 on"]
    found, last_s = [], 0.0
    for number in range(len(group)):
        action = group[str(number)]
        if missing := {"index", "start", "end", "success", "text"} - action.keys():
            found.append(f"{action.name} lacks {sorted(missing)}")
            continue
        if action["index"][()] != number:
            found.append(f"{action.name} has index {action['index'][()]}")
        found += span(action, TEXTS, last_s, np.inf)
        start_s, last_s = float(action["start"][()]), float(action["end"][()])
        for skill in action.get("low_level", action.get("Low_level", {})).values():
            found += span(skill, SKILLS | {text + b"." for text in SKILLS}, start_s, last_s)
    return found


def span(
    group: h5py.Group, texts: set[bytes], not_before_s: float, not_after_s: float
) -> list[str]:
    start_s, end_s = float(group["start"][()]), float(group["end"][()])
    found = []
    if not not_before_s - 1e-6 <= start_s < end_s <= not_after_s + 1e-6:
        found.append(f"{group.name} lasts from {start_s} s to {end_s} s")
    if group["success"].dtype != bool:
        found.append(f"{group.name}/success is {group['success'].dtype}")
    if not isinstance(group["text"][()], bytes) or group["text"][()] not in texts:
        found.append(f"{group.name}/text is {group['text'][()]!s}")
    return found
