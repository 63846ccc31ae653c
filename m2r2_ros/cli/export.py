# SPDX-License-Identifier: Apache-2.0
"""Export the best epoch of a pretraining run as one self-contained ONNX graph.

The graph takes what the sensors give and holds normalisation, spectrogram and image resizing. It is
compared with torch over window lengths, image sizes and masks, and written only if they agree.
A head needs no export: `m2r2 train` writes its graph.

Examples:
    m2r2 export out/m2r2 --out models/mine/encoder.onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of `m2r2 pretrain`")
    parser.add_argument("--out", type=Path, required=True, metavar="ONNX", help="file to write")


def main(args: argparse.Namespace) -> int:
    from m2r2_ros.training.run import read_settings

    read_settings(args.run)
    from m2r2_ros.training.export import export_encoder
    from m2r2_ros.training.pretrain import load_encoder

    encoder, training_data = load_encoder(args.run)
    difference = export_encoder(encoder, args.out, training_data)
    size = args.out.stat().st_size / 1e6
    print(f"{args.out}: {size:.1f} MB, differs from torch by at most {difference:.1e}")
    return 0
