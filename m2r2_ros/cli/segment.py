# SPDX-License-Identifier: Apache-2.0
"""Segment recordings offline, faster than real time.

The windows, the models and the segment tracker are those of the online nodes: the segments are
the ones that the robot would have published, event for event. Of several recordings, or a folder
of them, --json names a folder, which gets a file each and segmentation.json (what they were made
with); a command that was interrupted, or given more recordings, goes on where it was.

Examples:
    m2r2 segment 2025-01-10-15-28-50.h5 --models models/taskboard_compact --json segments.json
    m2r2 segment my_bag --models models/taskboard_compact --json s.json --plot timeline.png
    m2r2 segment my_bag --models my_models --json s.json --config config/franka.yaml
    m2r2 segment my_bag --models my_models --json s.json --bag results.mcap
    m2r2 segment data/taskboard --models models/taskboard_compact --json segments --workers 2
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from m2r2_ros.cli._config import load_deployment
from m2r2_ros.cli._models import given_models
from m2r2_ros.cli._recordings import given_recordings
from m2r2_ros.cli._said import saying
from m2r2_ros.cli._workers import add_worker_arguments, given_workers
from m2r2_ros.datasets.recording_source import RecordingSource, segments_epoch_ns
from m2r2_ros.datasets.source import open_source
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.evaluation.timeline import check_timeline_ending
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.inference.tracker_config import without_effect
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.extraction import is_plain_folder, recording_name
from m2r2_ros.offline.result_bag import check_result_bag, write_result_bag
from m2r2_ros.offline.segment_jobs import (
    RECORD_FILE,
    ModelsChoice,
    SegmentFolder,
    SegmentJob,
    segment_all,
)
from m2r2_ros.offline.segmentation import OfflineRun, segment_source, write_segments
from m2r2_ros.parallel.spread import ALONE, Workers
from m2r2_ros.vocabulary import Vocabulary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings",
        nargs="+",
        type=Path,
        metavar="RECORDING",
        help="REASSEMBLE .h5, rosbag2 folder, .mcap, .db3, or a folder of these",
    )
    parser.add_argument(
        "--models",
        type=Path,
        required=True,
        help="folder with encoder.onnx and head.onnx, or org/name@revision of the Hugging Face hub",
    )
    parser.add_argument(
        "--json", type=Path, required=True, help="file, or folder, for the segments"
    )
    parser.add_argument("--plot", type=Path, help="picture of the segments, .png or .svg")
    parser.add_argument(
        "--bag",
        type=Path,
        dest="result_bag",
        metavar="OUT.mcap",
        help="MCAP file for /action_segment and /m2r2/frame_prediction as the nodes publish them",
    )
    parser.add_argument(
        "--config", type=Path, help="parameter file of the nodes: topics, limits, tracker"
    )
    parser.add_argument(
        "--require-gpu", action="store_true", help="refuse to run the encoder on the CPU"
    )
    add_worker_arguments(parser)


def main(args: argparse.Namespace) -> int:
    workers = given_workers(args)
    if len(args.recordings) > 1 or is_plain_folder(args.recordings[0]):
        return _segment_all(args, workers)
    if workers != ALONE:
        raise M2R2Error("--workers and --ray are for several recordings: this is one")
    return _segment_one(args)


def _segment_all(args: argparse.Namespace, workers: Workers) -> int:
    if args.plot or args.result_bag:
        raise M2R2Error("--plot and --bag are of one recording: give one")
    folder = args.json.absolute()
    if folder.exists() and not folder.is_dir():
        raise M2R2Error(f"--json {args.json} is a file: of several recordings it names a folder")
    deployment = load_deployment(args.config)
    models = ModelsChoice.of(given_models(args.models), args.require_gpu, args.config)
    _say_without_effect(args.config, deployment, models.open()[0])
    record = SegmentFolder(folder, models)
    jobs = [_job(path, folder, models) for path in given_recordings(args.recordings)]
    pending = [job for job in jobs if not record.has(job)]
    began, segments, recorded_s = time.perf_counter(), 0, 0.0
    with saying() as said, record:
        for done in said.results(segment_all(pending, workers, len(jobs) - len(pending))):
            segments += done.result.segments
            recorded_s += done.result.recorded_s
            record.add(done.piece)
    elapsed_s = time.perf_counter() - began
    print(
        f"{args.json}: {len(jobs) - said.failures} recordings, {len(jobs) - len(pending)} were "
        f"there already; {segments} segments; {recorded_s:.1f} s in {elapsed_s:.1f} s, "
        f"{recorded_s / elapsed_s:.1f} times real time"
    )
    if said.failures:
        raise M2R2Error(f"{said.failures} of {len(jobs)} recordings could not be segmented")
    return 0


def _job(recording: Path, folder: Path, models: ModelsChoice) -> SegmentJob:
    place = folder / f"{recording_name(recording)}.json"
    if place.name == RECORD_FILE:
        raise M2R2Error(f"{recording}: {RECORD_FILE} has another use: rename the recording")
    return SegmentJob(recording.absolute(), place, models)


def _segment_one(args: argparse.Namespace) -> int:
    if args.plot:
        check_timeline_ending(args.plot)
    if args.result_bag:
        check_result_bag(args.result_bag)
    deployment = load_deployment(args.config)
    models = Models.load(given_models(args.models), args.require_gpu, deployment.actions)
    _say_without_effect(args.config, deployment, models)
    began = time.perf_counter()
    with open_source(args.recordings[0], deployment.topics) as source:
        run = segment_source(source, models, deployment)
        elapsed_s = time.perf_counter() - began
        for problem in source.problems:
            print(printable(f"{source.name}: {problem}"), file=sys.stderr)
        write_segments(args.json, run.events, segments_epoch_ns(source))
        if args.result_bag:
            write_result_bag(args.result_bag, run, models.head.labels)
        if args.plot:
            _plot(args.plot, source, run, models.head.vocabulary)
    _report(run, elapsed_s, models, args.json)
    return 0


def _say_without_effect(config: Path | None, deployment: Deployment, models: Models) -> None:
    if line := without_effect(deployment.tracker, models.head.metadata.procedure is not None):
        print(f"{config}: {printable(line)}", file=sys.stderr)


def _plot(path: Path, source: RecordingSource, run: OfflineRun, vocabulary: Vocabulary) -> None:
    from m2r2_ros.evaluation.segments import segments_from_actions, segments_from_events
    from m2r2_ros.evaluation.timeline import Curves, plot_timeline

    tracks = {"prediction": segments_from_events(run.events, source.start_ns)}
    if source.actions is not None:
        tracks = {"ground truth": segments_from_actions(source.actions), **tracks}
    curves = Curves.of(run.predictions, source.start_ns)
    plot_timeline(path, tracks, vocabulary, curves, title=source.name)


def _report(run: OfflineRun, elapsed_s: float, models: Models, path: Path) -> None:
    segments = sum(event.status == SegmentStatus.ENDED for event in run.events)
    recorded_s = len(run.predictions) * models.encoder.layout.period_ns / 1e9
    print(
        f"{segments} segments in {path}; {recorded_s:.1f} s in {elapsed_s:.1f} s, "
        f"{recorded_s / elapsed_s:.1f} times real time on {models.encoder.providers[0]}"
    )
