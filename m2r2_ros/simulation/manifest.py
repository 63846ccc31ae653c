# SPDX-License-Identifier: Apache-2.0
"""What a data set amounts to, recording by recording, read from its files.

Nothing in it depends on when or in how many goes the files were made; therefore no file sizes:
the video encoder is not exact to the byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.annotations import label_digest
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.reassemble import open_recording
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labels import NO_ACTION, label_from_text
from m2r2_ros.simulation.defects import defect_of
from m2r2_ros.simulation.recipe import Recipe, RecipeSplit, read_stamp, recording_name

MANIFEST = "manifest.json"


def make_manifest(out: Path, recipe: Recipe, step: Callable[[], object]) -> dict[str, Any]:
    """The manifest of a complete data set, JSON-ready; `step` is called after every recording.

    Raises M2R2Error about a recording that is missing or cannot be read.
    """
    entries = []
    for split in recipe.splits:
        for seed in split.seeds:
            entries.append(_entry(out, split, seed))
            step()
    return {
        "name": recipe.name,
        "splits": {
            split.name: {
                "first_seed": split.first_seed,
                **read_stamp(split.folder(out)),
                **_totals([entry for entry in entries if entry["split"] == split.name]),
            }
            for split in recipe.splits
        },
        "total": _totals(entries),
        "recordings": entries,
    }


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    with partial_file(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def check_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Raise M2R2Error naming the first thing in which the written manifest differs from this."""
    path = folder / MANIFEST
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        entries = {entry["name"]: entry for entry in written["recordings"]}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise M2R2Error(f"{path}: cannot be read: {error}") from error
    for entry in manifest["recordings"]:
        known = entries.pop(entry["name"], {})
        for key, value in entry.items():
            if known.get(key) != value:
                raise M2R2Error(
                    f"{path}: {entry['split'] or '.'}/{entry['name']}.h5 has {key} {value}, not "
                    f"{known.get(key)} as the manifest says"
                )
    if entries:
        raise M2R2Error(f"{path}: lists {min(entries)}, which is not in the recipe")
    # Through JSON, as the file went.
    if written != json.loads(json.dumps(manifest)):
        raise M2R2Error(f"{path}: its totals or settings differ from those of the files")


def _entry(out: Path, split: RecipeSplit, seed: int) -> dict[str, Any]:
    path = split.path(out, seed)
    with open_recording(path) as recording:
        actions = recording.actions
    if not actions:
        raise M2R2Error(f"{path}: has no labelled actions")
    return {
        "name": recording_name(seed),
        "split": split.name,
        "seed": seed,
        "duration_s": round(actions[-1].end_s, 6),
        "actions": sum(label_from_text(action.text) != NO_ACTION for action in actions),
        "label_sha256": label_digest(actions),
        "defect": defect_of(seed) if split.settings.defects else None,
    }


def _totals(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "recordings": len(entries),
        "minutes": round(sum(entry["duration_s"] for entry in entries) / 60, 3),
        "actions": sum(entry["actions"] for entry in entries),
    }
