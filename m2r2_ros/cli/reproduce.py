# SPDX-License-Identifier: Apache-2.0
"""Reproduce a table of the M2R2 paper, or RoboAct-CLIP's ablations, on a data set of recordings.

The data set is a folder with the folders train, validation, test and, if it has one, shifted, as
`m2r2 simulate --recipe taskboard_sim_v1` makes it. Pretrains the encoders, extracts features,
trains the heads with every seed, tunes the baselines on the validation recordings, and scores all
on both test splits. Writes table1.md and table1.json (or table2): means and spreads over the
seeds beside the paper's figures for REASSEMBLE, which is another data set; and timelines of the
first test recordings with every method, as .png and .svg. Every stage leaves its files below
--out: the same command again does only what is missing. The stages' settings are a file like
config/reproduce/taskboard_sim.yaml. Table II is with DiffAct, as in the paper; --head takes
another one, and the same features.

`objective` compares what pretraining descends: equation (5), each of its terms, frame labels, and
all of these, with an MS-TCN or another --head.

`roboact` trains RoboAct-CLIP, its two ablations and a plain baseline with every seed, each with the
pairs of action and object held out that its settings name, and writes roboact.md and roboact.json:
retrieval of seen and held-out pairs, linear probes of the branches, and the paper's drops.

`real` scores heads on anybody's recordings: a folder in the MS-TCN layout (50Salads, GTEA,
Breakfast and the like, from their authors' pages) on each of its splits, or on each group once
where it has none; or recordings of a robot with labels, by the features of an --encoder. It writes
real.md and real.json, without figures of a paper beside them.

Examples:
    m2r2 simulate --recipe taskboard_sim_v1 --out data/taskboard_sim --workers 2
    m2r2 reproduce table1 --data data/taskboard_sim --out out/reproduced --seeds 0,1,2
    m2r2 reproduce table2 --data data/taskboard_sim --out out/reproduced
    m2r2 reproduce table2 --data data/taskboard_sim --out out/reproduced --head asrf --seeds 0,1,2
    m2r2 reproduce table1 --data data/taskboard_sim --out out/quick --rows signals-bocpd signals-awe
    m2r2 reproduce table1 --data data/taskboard_sim --out out/mine --encoder my_encoder.onnx
    m2r2 reproduce objective --data data/taskboard_sim --out out/reproduced --encoder-seeds 0,1,2
    m2r2 reproduce roboact --data data/taskboard_sim --out out/roboact --seeds 0,1,2 --workers 2
    m2r2 reproduce real --data 50salads --out out/salads --rate 30 --sample-rate 2 \\
        --idle action_start action_end --rows mstcn asrf causal --seeds 0,1,2
    m2r2 reproduce real --data bags --out out/mine --encoder my_models/encoder.onnx \\
        --robot robot.yaml
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from m2r2_ros.cli._frames import add_frame_arguments, training_rate
from m2r2_ros.cli._vocabulary import add_idle_argument, say
from m2r2_ros.cli._workers import add_worker_arguments, given_workers
from m2r2_ros.datasets.feature_vocabulary import folder_vocabulary
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.errors import M2R2Error, nearest_name, nearest_path
from m2r2_ros.experiments.ablation_table import ROBOACT, VARIANTS
from m2r2_ros.experiments.paper_figures import REAL, TABLES, Row
from m2r2_ros.parallel.spread import Workers
from m2r2_ros.shipped import shipped
from m2r2_ros.training.head_registry import head_names
from m2r2_ros.vocabulary import Vocabulary

# Test recordings of each split that are drawn.
_DRAWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", choices=(*TABLES, ROBOACT, REAL), help="what to reproduce")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="train/, validation/, test/, ..."
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for all results")
    parser.add_argument(
        "--seeds",
        default="0",
        metavar="N,...",
        help="of the heads; of the encoders of roboact (default: %(default)s)",
    )
    parser.add_argument(
        "--encoder-seeds",
        metavar="N,...",
        help="train each encoder with these, and each head on all of them (default: the settings')",
    )
    parser.add_argument(
        "--rows",
        nargs="+",
        metavar="ROW",
        help=f"only these: {', '.join(dict.fromkeys(r.key for t in TABLES.values() for r in t))}; "
        f"of roboact: {', '.join(VARIANTS.values())}; of real, heads: {', '.join(head_names())} "
        "(default: all that the settings name)",
    )
    parser.add_argument(
        "--head",
        choices=head_names(),
        help="of table2 and objective, for all their rows (default: diffact, mstcn)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="YAML",
        help="settings of the stages (default: config/reproduce/taskboard_sim.yaml, of real "
        "config/reproduce/real.yaml); for roboact the folder of the rows' settings files (default: "
        "config/training)",
    )
    parser.add_argument(
        "--encoder",
        type=Path,
        metavar="ONNX",
        help="an exported encoder for the rows of M2R2 with all sensors, instead of pretraining; "
        "of real, for recordings",
    )
    parser.add_argument(
        "--robot", type=Path, metavar="YAML", help="of real: parameter file, the topics of bags"
    )
    add_idle_argument(parser)
    add_frame_arguments(parser)
    add_worker_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Do what is missing, then write the table."""
    workers = given_workers(args)
    if args.head and args.table not in ("table2", "objective"):
        raise M2R2Error("--head is for table2 and objective: table1 has all heads")
    if args.encoder_seeds and (args.encoder or args.table == ROBOACT):
        raise M2R2Error("--encoder-seeds is for encoders that the rows of a table train themselves")
    if args.table == ROBOACT:
        return _reproduce_roboact(args, workers)
    if args.table == REAL:
        return _reproduce_real(args, workers)
    if args.robot or args.idle or args.crop or args.rate or args.sample_rate:
        raise M2R2Error("--robot, --idle, --rate, --sample-rate and --crop are for `real`")
    seeds, rows = _seeds(args.seeds), _rows(args.table, args.rows, args.head)
    encoder_seeds = _seeds(args.encoder_seeds, "--encoder-seeds") if args.encoder_seeds else []
    if args.encoder and not args.encoder.is_file():
        raise M2R2Error(f"{args.encoder}: no such file{nearest_path(args.encoder)}")
    # Late: reading recordings and training need packages that a refusal does not.
    from m2r2_ros.cli.main import call_verb
    from m2r2_ros.experiments.reproduction import DataSet, Reproduction, Stages

    stages = Stages.load(args.config or shipped("config/reproduce/taskboard_sim.yaml"))
    data = DataSet(args.data)
    work = Reproduction(data, args.out, stages, args.encoder, workers, call_verb)
    trained = {row.key: work.of_each_encoder(row, encoder_seeds) for row in rows}
    scores = _scores(args.table, work, trained, seeds)
    first = [each[0] for each in trained.values()]
    levels = ("fine",) if args.table != "table1" else tuple(work.vocabulary(first[0]).levels)
    data = {
        "name": f"{args.data.resolve().name} (not REASSEMBLE)",
        "recordings": {split: len(found) for split, found in work.data.recordings.items()},
        "seeds": seeds,
        "encoder_seeds": len(encoder_seeds) or 1,
        **({"head": args.head} if args.head else {}),
    }
    _write_table(args, data, rows, levels, scores)
    _draw(args.out / "timelines", first, seeds[0], work)
    return 0


def _reproduce_roboact(args: argparse.Namespace, workers: Workers) -> int:
    seeds, rows = _seeds(args.seeds), args.rows or list(VARIANTS.values())
    if args.encoder:
        raise M2R2Error("--encoder is for the tables of M2R2: roboact trains its own")
    for row in rows:
        if row not in VARIANTS.values():
            near = nearest_name(row, VARIANTS.values())
            raise M2R2Error(f"roboact has no row '{row}'{near}: {', '.join(VARIANTS.values())}")
    from m2r2_ros.experiments.reproduction import DataSet
    from m2r2_ros.experiments.roboact_ablations import RoboActReproduction

    work = RoboActReproduction(DataSet(args.data), args.out, workers, args.config)
    print(work.write_table([name for name in VARIANTS if VARIANTS[name] in rows], seeds))
    print(f"{args.out / ROBOACT}.md")
    return 0


def _reproduce_real(args: argparse.Namespace, workers: Workers) -> int:
    """Heads on a folder of features, which recordings become first."""
    seeds = _seeds(args.seeds)
    if args.head or args.encoder_seeds:
        raise M2R2Error("--head and --encoder-seeds are for the papers' tables: see --rows")
    from m2r2_ros.cli.main import call_verb
    from m2r2_ros.experiments.real_table import RealTable
    from m2r2_ros.experiments.reproduction import Stages
    from m2r2_ros.experiments.result_table import real_markdown

    heads = Stages.load(args.config or shipped("config/reproduce/real.yaml")).heads
    for row in (rows := args.rows or list(heads)):
        if row not in heads:
            raise M2R2Error(f"--rows: the settings have no head '{row}'{nearest_name(row, heads)}")
    place = args.data
    if args.encoder:
        place = args.out / "features"
        told = ["--config", str(args.robot)] if args.robot else []
        places = ["--encoder", str(args.encoder), "--out", str(place), *told, *workers.arguments]
        call_verb("extract", [str(args.data), *places])
    elif place.is_dir() and not (place / "mapping.txt").exists():
        raise M2R2Error(f"{place}: has no mapping.txt of features; recordings need an --encoder")
    folder = FeatureFolder(place, args.crop)
    vocabulary, assumed = folder_vocabulary(folder, args.idle)
    rate, said = training_rate(args, folder)
    for line in (assumed, said):
        say(line)
    # `extract` makes a split of its own, of some groups alone.
    table = RealTable(folder, args.out, vocabulary, rate, heads, bool(args.encoder), say)
    content = table.content(rows, seeds)
    _write(args.out / REAL, content, real_markdown(content))
    return 0


def _scores(table: str, work, trained: Mapping[str, Sequence[Row]], seeds: Sequence[int]):
    """Split -> row key -> labels -> scores of each encoder with each seed of the head."""
    scores: dict[str, dict[str, dict[str, list]]] = {}
    for split in work.data.test_splits:
        for key, rows in trained.items():
            for level in _levels(table, rows[0], work.vocabulary(rows[0])):
                # A baseline has no chance in it.
                drawn = seeds if rows[0].encoder != "signals" else seeds[:1]
                found = [work.scores(row, level, seed, split) for row in rows for seed in drawn]
                scores.setdefault(split, {}).setdefault(key, {})[level] = found
    return scores


def _levels(table: str, row: Row, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Table II is of fine labels; so are the baselines, which get theirs by overlap (IV-D)."""
    if table != "table1" or row.encoder == "signals":
        return ("fine",)
    return tuple(vocabulary.levels)


def _write_table(args: argparse.Namespace, data, rows, levels, scores) -> None:
    from m2r2_ros.experiments.result_table import table_json, table_markdown

    content = table_json(args.table, data, rows, scores)
    name = f"{args.table}_{args.head}" if args.head else args.table
    _write(args.out / name, content, table_markdown(content, levels))


def _write(place: Path, content: Mapping[str, Any], text: str) -> None:
    """The table as .json and .md, and printed."""
    from m2r2_ros.datasets.atomic import partial_file

    for ending, written in ((".json", json.dumps(content, indent=1) + "\n"), (".md", text)):
        with partial_file(place.with_name(place.name + ending)) as temporary:
            temporary.write_text(written, encoding="utf-8")
    print(text)
    print(f"{place}.md")


def _draw(folder: Path, rows: Sequence[Row], seed: int, work) -> None:
    """The paper's figure 4: ground truth above every method of the table."""
    from m2r2_ros.evaluation.frame_times import nominal_edges, segments_from_frames
    from m2r2_ros.evaluation.timeline import plot_timeline
    from m2r2_ros.parallel.progress import Progress

    vocabulary = work.vocabulary(rows[0])
    names = [name for s in work.data.test_splits for name in work.data.names(s)[:_DRAWN]]
    for name in Progress(names, "timelines"):
        tracks = {"ground truth": work.truth(rows[0], name)}
        tracks |= {_short(row): work.predicted(row, seed, name) for row in rows}
        edges = nominal_edges(len(tracks["ground truth"]), work.rate(rows[0]).rate_hz)
        segments = {k: segments_from_frames(v, edges) for k, v in tracks.items()}
        for ending in (".png", ".svg"):
            plot_timeline(folder / f"{name}{ending}", segments, vocabulary, title=name)


def _short(row: Row) -> str:
    """The row's name on two lines, where the picture's margin is."""
    return row.name.partition(",")[0].replace(" + ", "\n+ ")


def _seeds(text: str, option: str = "--seeds") -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts) or len({*parts}) < len(parts):
        raise M2R2Error(f"{option} must be different whole numbers like 0,1,2, not '{text}'")
    return [int(part) for part in parts]


def _rows(table: str, keys: Sequence[str] | None, head: str | None) -> list[Row]:
    """Those of `keys`, or all; with another head than the paper's if there is one."""
    rows = [replace(row, head=head or row.head) for row in TABLES[table]]
    by_key = {row.key: row for row in rows}
    for key in keys or ():
        if key not in by_key:
            raise M2R2Error(f"--rows: {table} has no row '{key}'{nearest_name(key, by_key)}")
    return [row for key, row in by_key.items() if not keys or key in keys]
