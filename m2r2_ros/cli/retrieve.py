# SPDX-License-Identifier: Apache-2.0
"""Score RoboAct-CLIP runs on clips: which sentence describes an action, from its video alone.

In percent, for the pairs of action and object that a run was trained on and for those that its
settings hold out: the action, the object, and whether the clip's own sentence is the nearest (R@1)
or among the five nearest (R@5) of all sentences of the clips; by video, and where several cameras
saw an action, by all of them together, as on a robot. And which action is taken for which. Score
clips of recordings that no run has seen. With several runs, each one's drop against the first
stands next to the drop in success that the paper reports for its ablations, which were measured on
policies.

Examples:
    m2r2 retrieve out/roboact --data data/taskboard-test --json scores.json
    m2r2 retrieve out/roboact out/ablation1 out/ablation2 out/plain --data clips.jsonl \\
        --json scores.json --cache out/embeddings
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.evaluation.tables import format_table
from m2r2_ros.offline.clip_search import find_clips


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="of `m2r2 pretrain --encoder roboact`"
    )
    parser.add_argument(
        "--data",
        nargs="+",
        type=Path,
        required=True,
        metavar="CLIPS",
        help="lists of clips (.jsonl), labelled recordings, or folders of these",
    )
    parser.add_argument("--json", type=Path, required=True, help="file for the scores")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder for frame embeddings, which runs can share (default: RUN/cache)",
    )


def main(args: argparse.Namespace) -> int:
    from m2r2_ros.training.roboact.embeddings import embed_videos
    from m2r2_ros.training.roboact.evaluation import score_plain, score_run
    from m2r2_ros.training.roboact.trained import load_trained

    scores: dict[str, dict[str, Any]] = {}
    for run in args.runs:
        trained = load_trained(run)
        clips = find_clips(args.data, trained.settings.cameras)
        videos = list(dict.fromkeys((clip.path, clip.camera) for clip in clips))
        rate_hz, cache = trained.settings.frame_rate_hz, args.cache or run / "cache"
        embedded = embed_videos(videos, trained.frames, rate_hz, cache)
        scores[str(run)] = score_run(trained, clips, embedded)
        plain = score_plain(trained, clips, embedded)
        if plain is not None:
            scores[f"{run}: CLIP untrained"] = plain
    with partial_file(args.json) as temporary:
        temporary.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    for group in dict.fromkeys(name for found in scores.values() for name in found["groups"]):
        rows = {
            n: found["groups"][group] for n, found in scores.items() if group in found["groups"]
        }
        print(f"{group}\n{format_table(rows)}")
        print(f"\nchange against the first\n{format_table(_changes(rows, scores))}\n")
    for name, found in scores.items():
        print(f"{name}: true actions, and how many percent of their clips were taken for each")
        print(f"{format_table(_percent(found['confusion']))}\n")
    return 0


def _changes(
    rows: dict[str, dict[str, float]], scores: dict[str, dict[str, Any]]
) -> dict[str, dict[str, float]]:
    """Differences from the first row, and the paper's in success where it has that ablation."""
    first = next(iter(rows.values()))
    columns = [name for name in first if name != "clips"]
    return {
        name: {column: row[column] - first[column] for column in columns}
        | {"paper": scores[name].get("paper drop") or 0.0}
        for name, row in rows.items()
    }


def _percent(confusion: dict[str, dict[str, int]]) -> dict[str, dict[str, float]]:
    taken = sorted({action for row in confusion.values() for action in row})
    return {
        action: {other: 100 * row.get(other, 0) / sum(row.values()) for other in taken}
        for action, row in confusion.items()
    }
