# SPDX-License-Identifier: Apache-2.0
"""The frames of a folder of features: how often they come, which a head takes, which are cut."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import NamedTuple

from m2r2_ros.datasets.frame_rate import ASSUMED_HZ, FrameRate, same_rate
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.experiments.head_predictions import Head
from m2r2_ros.experiments.head_predictions import stated_rate as rate_of_head
from m2r2_ros.offline.extraction_record import stated_rate


def add_frame_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rate",
        type=float,
        metavar="HZ",
        help=f"frames a second of the features (default: what the folder says, else what the "
        f"head was trained on, else {ASSUMED_HZ:g})",
    )
    add_sample_rate_argument(parser)
    parser.add_argument(
        "--crop",
        action="store_true",
        help="cut features and groundTruth of different lengths to the shorter",
    )


def add_sample_rate_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sample-rate",
        type=int,
        metavar="N",
        help="the head takes every Nth frame, as MS-TCN's does; scores are of all frames (default: "
        "as it was trained, else 1)",
    )


class ToldRate(NamedTuple):
    """The frames, and what is assumed of them or does not fit; "" for nothing."""

    rate: FrameRate
    said: str


def training_rate(args: argparse.Namespace, folder: FeatureFolder) -> ToldRate:
    """For a head to be trained. Raises M2R2Error when the folder says otherwise."""
    rate_hz, said = _rate_hz(args, folder, None)
    return ToldRate(FrameRate(rate_hz, _given(args.sample_rate, 1)), said)


def evaluation_rate(args: argparse.Namespace, folder: FeatureFolder, head: Head | None) -> ToldRate:
    """For a trained head, or predictions. Raises M2R2Error when the folder says otherwise."""
    trained = None if head is None else rate_of_head(head)
    rate_hz, said = _rate_hz(args, folder, trained)
    usual = 1 if trained is None else trained.sample_rate
    rate = FrameRate(rate_hz, _given(args.sample_rate, usual))
    if trained is not None and not same_rate(trained.head_hz, rate.head_hz):
        said = (
            f"{head.path}: was trained on {trained.head_hz:g} frames a second and is given "
            f"{rate.head_hz:g}: see --rate and --sample-rate"
        )
    return ToldRate(rate, said)


def prediction_rate(args: argparse.Namespace, head: Head) -> FrameRate:
    """Which frames the head takes; how often they come is of no account."""
    usual = rate_of_head(head) or FrameRate()
    return replace(usual, sample_rate=_given(args.sample_rate, usual.sample_rate))


def _rate_hz(
    args: argparse.Namespace, folder: FeatureFolder, trained: FrameRate | None
) -> tuple[float, str]:
    stated_hz = stated_rate(folder)
    if args.rate is not None and stated_hz and not same_rate(stated_hz, args.rate):
        raise M2R2Error(
            f"{folder.path}: its frames come {stated_hz:.4g} times a second, not "
            f"{args.rate:g}: leave --rate out"
        )
    known_hz = args.rate if args.rate is not None else stated_hz or (trained and trained.rate_hz)
    if known_hz is not None:
        return known_hz, ""
    assumed = f"{ASSUMED_HZ:g} a second are assumed (--rate)"
    return ASSUMED_HZ, f"{folder.path}: does not say how often its frames come: {assumed}"


def _given(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
