# SPDX-License-Identifier: Apache-2.0
"""Extract the encoder's features from recordings, in the folder layout of MS-TCN.

Writes features/<recording>.npy (float32, D x T, a frame for each window),
groundTruth/<recording>.txt, mapping.txt, splits/{train,test}.split1.bundle, vocabulary.yaml (what
the labels mean, where that is known), groups.csv (which recordings belong together, if groups.csv
beside them or their folders say it) and extraction.json (what the features were made with). The
features are those of the online nodes, bit for bit; with --batch, up to rounding. A command that
was interrupted, or given more recordings, goes on where it was.

Examples:
    m2r2 extract data/taskboard --encoder models/taskboard_compact/encoder.onnx --out features
    m2r2 extract data/train --test data/test --encoder encoder.onnx --out features --workers 4
    m2r2 extract data/taskboard --encoder encoder.onnx --out features --batch 32 --require-gpu
    m2r2 extract data/taskboard --encoder encoder.onnx --out features --ray 10.0.0.5:6379
    m2r2 extract my_bag other_bag --encoder encoder.onnx --out features --config franka.yaml
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from m2r2_ros.cli._config import load_deployment
from m2r2_ros.cli._models import given_encoder
from m2r2_ros.cli._recordings import given_recordings
from m2r2_ros.cli._said import saying
from m2r2_ros.cli._workers import add_worker_arguments, given_workers
from m2r2_ros.datasets.feature_vocabulary import write_classes
from m2r2_ros.datasets.groups import (
    GROUPS_FILE,
    Groups,
    add_groups,
    check_groups,
    recorded_groups,
)
from m2r2_ros.datasets.mstcn import Split, read_lines, write_split
from m2r2_ros.datasets.stated_vocabulary import StatedVocabulary, agreed_vocabulary
from m2r2_ros.datasets.vocabulary_file import VOCABULARY_FILE, read_vocabulary
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.inference.models import open_encoder
from m2r2_ros.inference.roboact_encoder import RoboActEncoder
from m2r2_ros.inference.session import CPU, CUDA
from m2r2_ros.offline.extraction import (
    EncoderChoice,
    ExtractionJob,
    recording_name,
    run_jobs,
)
from m2r2_ros.offline.extraction_record import ExtractionRecord
from m2r2_ros.vocabulary import UNLABELLED, Vocabulary

# Without --test: one recording in five is for testing.
_TEST_EVERY = 5
_LARGEST_BATCH = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings",
        nargs="+",
        type=Path,
        metavar="RECORDING",
        help=".h5, rosbag2 folder, .mcap, .db3, or a folder of these, or one with a folder a group",
    )
    parser.add_argument(
        "--encoder", type=Path, required=True, help="encoder.onnx, or org/name@revision"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to fill")
    parser.add_argument(
        "--test",
        nargs="+",
        type=Path,
        metavar="RECORDING",
        help="recordings of the test split (default: every fifth one in order of name, of groups "
        f"in {GROUPS_FILE} or folders every fifth group)",
    )
    parser.add_argument("--config", type=Path, help="parameter file of the nodes: topics, limits")
    parser.add_argument(
        "--vocabulary",
        type=Path,
        metavar="YAML",
        help=f"what the labels mean (default: {VOCABULARY_FILE} beside the recordings, else their "
        "labels files)",
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=1,
        metavar="N",
        help="windows that the encoder takes at once (default: %(default)s, as the nodes do); "
        "8 saves a fifth on a CPU, a GPU wants 32 or more",
    )
    parser.add_argument(
        "--require-gpu", action="store_true", help="refuse to run the encoder on the CPU"
    )
    add_worker_arguments(parser)


def main(args: argparse.Namespace) -> int:
    workers = given_workers(args)
    if args.batch < 1:
        raise M2R2Error(f"--batch must be at least 1, not {args.batch}")
    if args.batch > _LARGEST_BATCH:
        raise M2R2Error(f"--batch may be {_LARGEST_BATCH} at most, not {args.batch}")
    test = given_recordings(args.test or [])
    recordings = given_recordings([*args.recordings, *test])
    stated = _vocabulary(args.vocabulary, recordings)
    vocabulary = stated and stated.vocabulary
    named = {recording_name(path): path for path in recordings}
    groups = recorded_groups(named, [*args.recordings, *(args.test or [])])
    check_groups(args.out, groups)
    choice, record = _choose(args, vocabulary)

    config = args.config and args.config.absolute()
    jobs = [ExtractionJob(recording.absolute(), choice, config, stated) for recording in recordings]
    pending = [job for job in jobs if not record.has(job)]
    with saying() as said, record:
        for done in said.results(run_jobs(pending, workers, len(jobs) - len(pending))):
            record.add(done.result)

    done = [job.name for job in jobs if record.has(job)]
    labelled = sorted(filter(record.is_labelled, done))
    split = _split(labelled, [recording_name(path) for path in test], groups)
    _write_mapping(args.out, labelled, split, vocabulary)
    _write_split(args.out, split)
    if groups:
        add_groups(args.out, groups)
    print(
        f"{args.out}: {len(done)} recordings, {len(labelled)} with labels; "
        f"{len(jobs) - len(pending)} were there already"
    )
    if said.failures:
        raise M2R2Error(f"{said.failures} of {len(jobs)} recordings could not be extracted")
    return 0


def _vocabulary(given: Path | None, recordings: list[Path]) -> StatedVocabulary | None:
    """The given one, else what files beside the recordings state, who must not disagree."""
    if given is not None:
        return StatedVocabulary(read_vocabulary(given), given)
    try:
        return agreed_vocabulary(recordings)
    except M2R2Error as error:
        raise M2R2Error(f"{error}: give one by --vocabulary") from error


def _choose(
    args: argparse.Namespace, vocabulary: Vocabulary | None
) -> tuple[EncoderChoice, ExtractionRecord]:
    """The encoder, and the record of the folder that its features go to."""
    deployment = load_deployment(args.config)
    # A cluster's GPUs are not this machine's, and it hands out none that nobody asked for.
    path = given_encoder(args.encoder)
    encoder = open_encoder(path, args.require_gpu and not args.ray)
    if args.batch > 1 and isinstance(encoder, RoboActEncoder):
        raise M2R2Error(
            f"{args.encoder}: takes one window after the other, its state goes from each to the "
            "next: no --batch (--workers extracts several recordings at a time)"
        )
    provider = encoder.providers[0]
    if args.ray:
        provider = CUDA if args.require_gpu else CPU
    record = ExtractionRecord(args.out, encoder, provider, args.batch, deployment, vocabulary)
    return EncoderChoice(
        path.absolute(), encoder.sha256, provider, args.require_gpu, args.batch
    ), record


def _write_mapping(
    folder: Path, names: list[str], split: Split, vocabulary: Vocabulary | None
) -> None:
    """What is stated or occurs; says what is assumed of it."""
    seen = {
        name: {*read_lines(folder / "groundTruth" / f"{name}.txt")} - {UNLABELLED} for name in names
    }
    if not seen:
        return
    training = set().union(*(seen[name] for name in names if name not in split.test))
    others = set().union(*(seen[name] for name in split.test)) - training
    assumed = write_classes(folder, training, others, vocabulary)
    if assumed:
        print(printable(assumed), file=sys.stderr)
    if others:
        print(printable(f"only in test recordings: {', '.join(sorted(others))}"), file=sys.stderr)


def _split(names: list[str], test: list[str], groups: Mapping[str, str]) -> Split:
    """As asked for, else every fifth recording is for testing, or every fifth group."""
    members = Groups({name: groups.get(name, name) for name in names}).members(names)
    if len(members) == 1:
        members = {name: [name] for name in names}
    drawn = {name for group in list(members)[::-_TEST_EVERY] for name in members[group]}
    chosen = [name for name in names if name in (test or drawn)]
    return Split(tuple(name for name in names if name not in chosen), tuple(sorted(chosen)))


def _write_split(folder: Path, split: Split) -> None:
    if split.test and split.train:
        write_split(folder, 1, split)
    else:
        print("no split written: it takes a recording to train on and one to test on")
