# SPDX-License-Identifier: Apache-2.0
"""Export what was trained as self-contained ONNX graphs, ready for a models folder.

An M2R2 is one graph: it takes what the sensors give and holds normalisation, spectrogram and image
resizing. A RoboAct-CLIP is a models folder: encoder.onnx, the frame.onnx that feeds it, a text
encoder for actions that are named at run time, and the texts of all known actions and objects. An
M2R2 with RoboAct-CLIP as its image token is a folder too: the two in one graph, and its frame.onnx.
Graphs are compared with torch over window lengths, image sizes and masks, and written only if they
agree. A causal head's graph was written and compared by `m2r2 train`: it is put beside the encoder
that gave its features, and nowhere else.

Examples:
    m2r2 export out/m2r2 --out my_models
    m2r2 export out/m2r2 --out gpu_models/encoder.onnx --precision float16
    m2r2 export out/causal --out my_models
    m2r2 export out/roboact --out my_roboact
    m2r2 export out/roboact --out my_roboact --strides 1 3 6
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import ENCODER_FILE, HEAD_FILE
from m2r2_ros.training.head_registry import find_head, head_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="models folder, or file to write in one (M2R2: encoder.onnx, causal head: head.onnx)",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "float16"),
        default="float32",
        help="M2R2: float16 is for GPUs and runs on CPUs too (default: %(default)s)",
    )
    parser.add_argument(
        "--strides",
        nargs="+",
        type=int,
        metavar="N",
        help="RoboAct-CLIP: its windows take every N-th frame; several look at several lengths of "
        "the past (default: 3, at 10 Hz the last 4.5 s)",
    )


def main(args: argparse.Namespace) -> int:
    if (args.run / HEAD_FILE).is_file():
        args.out = _in_folder(args.out, HEAD_FILE)
        return _export_head(args)
    from m2r2_ros.training.run import read_settings

    kind = read_settings(args.run).get("kind")
    if kind in head_names():
        raise M2R2Error(f"{args.run}: {_why_no_graph(kind)}")
    if args.strides and kind != "roboact":
        raise M2R2Error(f"{args.run}: --strides is for a run of `--encoder roboact` only")
    if kind == "roboact" and args.precision != "float32":
        raise M2R2Error(f"{args.run}: --precision is for a run of `--encoder m2r2` only")
    difference = _export_roboact(args) if kind == "roboact" else _export_m2r2(args)
    files = [args.out] if args.out.is_file() else list(args.out.glob("*.onnx"))
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{args.out}: {size:.1f} MB, differs from torch by at most {difference:.1e}")
    _say_if_unlisted(files)
    return 0


def _why_no_graph(head: str) -> str:
    if find_head(head).streams:
        return f"its training has not ended: run `m2r2 train --head {head}` again, it goes on"
    return f"'{head}' sees whole recordings, no robot runs it: `m2r2 predict` applies it"


def _say_if_unlisted(files: Sequence[Path]) -> None:
    """A models.sha256 that was there before lets nobody load what it does not list."""
    for file in files:
        try:
            read_model(file)
        except M2R2Error as error:
            print(error, file=sys.stderr)


def _in_folder(out: Path, name: str) -> Path:
    """What is a folder, or has no ending, is a models folder, as it is for a RoboAct-CLIP."""
    return out / name if out.is_dir() or not out.suffix else out


def _export_head(args: argparse.Namespace) -> int:
    head, encoder = StreamingHead(args.run / HEAD_FILE), args.out.parent / ENCODER_FILE
    if args.out.name != HEAD_FILE:
        raise M2R2Error(f"--out {args.out}: nodes look for a head in a models folder's {HEAD_FILE}")
    if head.metadata.encoder_sha256 and not encoder.is_file():
        raise M2R2Error(f"{encoder}: is missing: export the encoder of this head there first")
    if encoder.is_file():
        head.metadata.check_encoder(head.path, read_model(encoder).sha256, encoder)
    with partial_file(args.out) as temporary:
        shutil.copyfile(head.path, temporary)
    print(f"{args.out}: {len(head.labels)} classes, as `m2r2 train` exported it")
    _say_if_unlisted([args.out])
    return 0


def _export_m2r2(args: argparse.Namespace) -> float:
    from m2r2_ros.networks.m2r2 import ROBOACT
    from m2r2_ros.training.onnx_export import export_encoder
    from m2r2_ros.training.pretraining import load_encoder, stored_settings

    encoder, training_data = load_encoder(args.run)
    if encoder.config.image_backbone == ROBOACT:
        if args.precision != "float32":
            raise M2R2Error(f"{args.run}: with RoboAct-CLIP there is no --precision")
        from m2r2_ros.training.roboact.image_token import export_with_roboact

        return export_with_roboact(encoder, stored_settings(args.run), training_data, args.out)
    args.out = _in_folder(args.out, ENCODER_FILE)
    return export_encoder(encoder, args.out, training_data, args.precision)


def _export_roboact(args: argparse.Namespace) -> float:
    from m2r2_ros.training.roboact.roboact_export import export_roboact
    from m2r2_ros.training.roboact.trained import load_trained

    return export_roboact(load_trained(args.run), args.out, args.strides or (3,))
