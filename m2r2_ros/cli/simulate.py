# SPDX-License-Identifier: Apache-2.0
"""Make REASSEMBLE-format recordings of a simulated Franka on NIST Task Board 1.

examples:
  m2r2 simulate --out data/taskboard --recordings 45 --seed 1000
  m2r2 simulate --out data/taskboard-test --recordings 8 --seed 9000 --workers 2

Recording i has seed SEED + i and is written as taskboard-<seed>.h5. Run the same command again
after an interruption: finished recordings are kept. Labels, force and motion depend on the seed
alone; needs the `sim` extras (MuJoCo) and a GL library, but no display and no GPU.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from m2r2_ros.datasets.taskboard import generate
from m2r2_ros.datasets.taskboard.settings import RecordingSettings
from m2r2_ros.errors import M2R2Error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to fill")
    parser.add_argument("--recordings", type=int, required=True, metavar="N", help="how many")
    parser.add_argument("--seed", type=int, required=True, metavar="S", help="first seed")
    parser.add_argument(
        "--attempts",
        type=int,
        default=RecordingSettings.attempts,
        metavar="N",
        help="actions attempted in each recording, at least (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes, one a core at best (default: %(default)s)",
    )


def main(args: argparse.Namespace) -> int:
    _check(args)
    settings = RecordingSettings(attempts=args.attempts)
    done = args.recordings - len(generate.pending_seeds(args.out, args.recordings, args.seed))
    simulated = 0.0
    with tqdm(total=args.recordings, initial=done, unit="recording") as bar:
        for finished in generate.generate(
            args.out, args.recordings, args.seed, settings, args.workers
        ):
            simulated += finished.duration_s
            bar.update()
            bar.set_postfix_str(
                f"{simulated / bar.format_dict['elapsed']:.2f} s simulated a second"
            )
    print(f"{args.out}: {args.recordings} recordings")
    return 0


def _check(args: argparse.Namespace) -> None:
    for flag in ("recordings", "attempts", "workers"):
        if getattr(args, flag) < 1:
            raise M2R2Error(f"--{flag} must be at least 1, not {getattr(args, flag)}")
    if args.seed < 0:
        raise M2R2Error(f"--seed must not be negative, not {args.seed}")
    if args.out.exists() and not args.out.is_dir():
        raise M2R2Error(f"--out {args.out} is a file, not a folder")
