# SPDX-License-Identifier: Apache-2.0
"""Turn descriptions of videos into subject, action and object (Algorithm 1 of RoboAct-CLIP).

A SOURCE is a manifest (.csv or .jsonl with video and description, start and end if it is a part,
and camera if the video is a recording), an RH20T folder, REASSEMBLE-format recordings (.h5, or a
folder of them; one clip for each labelled action), or a LeRobotDataset v3 with videos (a clip for
each camera and subtask, or task where it has no subtasks). Videos that show several actions, or
none, are dropped. Writes annotations.jsonl (a list of clips: path, start_s, end_s, camera, subject,
action, object, sentence), rejected.jsonl (with the reason) and summary.json.

The descriptions are read by rules, offline. With --llm a language model is asked, through any
endpoint that speaks OpenAI's protocol; the key is taken from OPENAI_API_KEY and shows up nowhere.
Answers are kept: a rerun asks only what has no answer yet.

Examples:
    m2r2 annotate descriptions.csv --out annotated
    m2r2 annotate RH20T --out annotated --ray local
    m2r2 annotate lerobot/pusht_dataset --out annotated
    m2r2 annotate RH20T --out annotated --llm deepseek-reasoner --dry-run --price 0.55 2.19
    m2r2 annotate RH20T --out annotated --llm deepseek-reasoner --base-url https://api.deepseek.com
    m2r2 annotate data/taskboard --out annotated --llm qwen3 --base-url http://127.0.0.1:8000/v1
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from m2r2_ros.annotation.answers import AnswerCache
from m2r2_ros.annotation.batch import understand
from m2r2_ros.annotation.described_videos import read_described_videos
from m2r2_ros.annotation.language_model import NO_VALID_ANSWER, Endpoint, estimate
from m2r2_ros.annotation.selection import sort_videos, summarise, texts_of
from m2r2_ros.cli._workers import add_ray_argument
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.parallel.spread import Workers

# Of a summary on the terminal; the file has all.
_SHOWN = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="see above")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to fill")
    parser.add_argument("--llm", metavar="MODEL", help="ask this language model, not the rules")
    parser.add_argument("--base-url", metavar="URL", help="its endpoint (default: OpenAI's)")
    parser.add_argument(
        "--requests-per-minute", type=float, default=0.0, metavar="N", help="at most (default: any)"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FILE", help="answers (default: DIR/answers.sqlite)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what asking would take, and ask nothing"
    )
    parser.add_argument(
        "--price",
        nargs=2,
        type=float,
        metavar=("IN", "OUT"),
        help="of a million tokens, for --dry-run",
    )
    add_ray_argument(parser)


def main(args: argparse.Namespace) -> int:
    if args.llm is None and (args.base_url or args.dry_run or args.price):
        raise M2R2Error("--base-url, --dry-run and --price are about --llm MODEL, which is missing")
    endpoint = None
    if args.llm is not None:
        endpoint = Endpoint(args.llm, args.base_url, args.requests_per_minute)
    cache = args.cache or args.out / "answers.sqlite"
    videos = list(chain.from_iterable(map(read_described_videos, args.sources)))
    texts = texts_of(videos)
    if args.dry_run:
        _print_estimate(texts, args.llm, cache, args.price)
        return 0

    answers = understand(texts, endpoint, cache, Workers(ray=args.ray))
    result = sort_videos(videos, answers)
    summary = summarise(result) | {"annotator": args.llm or "rules"}
    _write_lines(args.out / "annotations.jsonl", result.kept)
    _write_lines(args.out / "rejected.jsonl", result.rejected)
    with partial_file(args.out / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    _print_summary(summary)
    missing = sum(r["reason"].startswith(NO_VALID_ANSWER) for r in result.rejected)
    if missing:
        raise M2R2Error(
            f"{missing} videos have no valid answer yet (see rejected.jsonl): "
            "run the command again, only they are asked about"
        )
    return 0


def _print_estimate(
    texts: list[str], model: str, cache: Path, price: tuple[float, float] | None
) -> None:
    known = 0
    if cache.exists():
        answers = AnswerCache(cache, model)
        known = len(answers.get(texts))
        texts = [text for text in texts if not answers.get([text])]
        answers.close()
    needed = estimate(texts)
    print(
        f"{needed.requests} requests ({known} answers are kept), about {needed.tokens_in} tokens "
        f"in and {needed.tokens_out} out, more if the model reasons aloud"
    )
    if price:
        print(f"cost: about {needed.cost(*price):.2f}, retries not counted")


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line, paths relative to the file's folder."""
    folder = os.path.realpath(path.parent)
    with partial_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for record in records:
            place = os.path.relpath(os.path.realpath(record["path"]), folder)
            record = record | {"path": place}
            line = json.dumps(record, ensure_ascii=False)
            # JSON's own escapes hold what UTF-8 cannot: names of files in another encoding.
            is_text = line.encode("utf-8", "replace").decode() == line
            file.write((line if is_text else json.dumps(record)) + "\n")


def _print_summary(summary: dict[str, Any]) -> None:
    """RoboAct-CLIP's Table I, and what there is most of."""
    for name in ("videos", "kept", "unique_tasks", "distinct_actions", "distinct_objects"):
        print(f"{name.replace('_', ' '):<20}{summary[name]:>10,}")
    for name in ("reasons", "actions", "objects"):
        counts = summary[name]
        print(f"{'rejected because' if name == 'reasons' else name}:")
        for entry, count in list(counts.items())[:_SHOWN]:
            print(f"  {printable(entry):<50.50}{count:>10,}")
        if len(counts) > _SHOWN:
            print(f"  and {len(counts) - _SHOWN} more, in summary.json")
