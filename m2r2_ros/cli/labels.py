# SPDX-License-Identifier: Apache-2.0
"""Take labels from other tools, and give them to other tools.

`import` reads files of labels and writes RECORDING.labels.json beside the recordings, which stay as
they are. A file is of the recording of its name beside it, or of --recording; times count from the
recording's first frame unless the form says otherwise. `export` writes labels files, or the labels
inside recordings, in another form, and says what that has no place for.

Forms: atlas, audacity, csv, elan, labelstudio, lerobot, mstcn, reassemble (docs/labels.md).

Examples:
    m2r2 labels import take_1.eaf --format elan --recording bags/take_1
    m2r2 labels import annotations.json --format atlas --recording bags
    m2r2 labels import 50salads --format mstcn --rate 30 --recording bags
    m2r2 labels export bags/take_1 bags/take_2 --format audacity --out labels
    m2r2 labels export bags/*.labels.json --format labelstudio --out tasks.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from m2r2_ros.cli._config import load_deployment
from m2r2_ros.datasets.frame_rate import checked_rate
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.label_formats.exporting import LabelExport
from m2r2_ros.label_formats.importing import LabelImport
from m2r2_ros.label_formats.label_format import FormatOptions
from m2r2_ros.label_formats.registry import find_format, format_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "direction", choices=("import", "export"), help="from the other form, or to it"
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="import: files of the form; export: recordings, or their labels files",
    )
    parser.add_argument("--format", required=True, choices=format_names(), help="the other form")
    parser.add_argument(
        "--out",
        type=Path,
        help="export: file or folder to write; import: folder for the labels files (default: "
        "beside the recordings)",
    )
    parser.add_argument(
        "--recording",
        type=Path,
        help="import: the recording, or the folder with the recordings (default: beside each file)",
    )
    parser.add_argument("--config", type=Path, help="parameter file of the nodes: topics")
    parser.add_argument(
        "--rate",
        type=float,
        default=0.0,
        metavar="HZ",
        help="frames a second of forms that count frames and do not say it",
    )
    parser.add_argument(
        "--tier",
        default="",
        metavar="NAME",
        help="what holds the labels: a tier (elan), or "
        "language_persistent in place of subtask_index (lerobot)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


def main(args: argparse.Namespace) -> int:
    if args.rate:
        checked_rate(args.rate, "--rate")
    return _import(args) if args.direction == "import" else _export(args)


def _import(args: argparse.Namespace) -> int:
    if args.recording is not None and not args.recording.exists():
        raise M2R2Error(f"{args.recording}: no such file or folder")
    options = FormatOptions(args.rate, args.tier)
    topics, form = load_deployment(args.config).topics, find_format(args.format)
    imports = LabelImport(form, options, topics, args.recording, args.out, args.overwrite)
    for imported in imports.read(args.files):
        _say(f"{imported.path}: {problem}" for problem in imported.problems)
        imported.write()
        print(printable(f"{imported.path}: {len(imported.labels.labels)} labels"))
    return 0


def _export(args: argparse.Namespace) -> int:
    if args.out is None or args.recording is not None:
        raise M2R2Error("export needs --out, and its FILEs are the recordings")
    form = find_format(args.format)
    export = LabelExport.read(args.files, form, load_deployment(args.config).topics)
    written = export.write(args.out, form, FormatOptions(args.rate, overwrite=args.overwrite))
    _say(export.problems)
    labels = sum(len(track.spans) for track in export.tracks)
    for path in written:
        print(printable(str(path)))
    print(f"{labels} labels of {len(export.tracks)} recordings")
    return 0


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(printable(line), file=sys.stderr)
