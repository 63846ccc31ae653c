# SPDX-License-Identifier: Apache-2.0
"""Learn policies on frozen RoboAct-CLIP features and count their successes in simulation.

Behaviour cloning on two tasks of the simulated board: grasp the part that a sentence names, and
insert a peg. A scripted operator shows how; then, for every run of `m2r2 pretrain --encoder
roboact`, for the frozen frame encoder alone and for no camera at all, a small policy of the same
kind learns from the same demonstrations and plays the same episodes, whose end physics decides.
Writes policies.json and policies.md: success, and what the paper reports for its encoder and its
ablations. The runs must share one frozen encoder; give the whole model first, its changes are
compared with it. The same command goes on where it was stopped.

Examples:
    m2r2 imitate out/roboact out/ablation1 out/ablation2 out/plain --out out/policies --workers 2
    m2r2 imitate out/roboact --out out/quick --episodes 10 --tasks grasp
    m2r2 imitate out/roboact --out out/mine --config my_tasks.yaml
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from m2r2_ros.errors import M2R2Error

TASKS = ("grasp", "insert")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="of `m2r2 pretrain --encoder roboact`"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for all results")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, help="default: both")
    parser.add_argument(
        "--episodes", type=int, default=50, metavar="N", help="of each task (default: %(default)s)"
    )
    parser.add_argument("--config", type=Path, metavar="YAML", help="settings (default: built-in)")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes (default: %(default)s)"
    )


def main(args: argparse.Namespace) -> int:
    """Do what is missing, then write the table."""
    for flag in ("episodes", "workers"):
        if getattr(args, flag) < 1:
            raise M2R2Error(f"--{flag} must be at least 1, not {getattr(args, flag)}")
    # One thread each: the processes would fight for the cores.
    os.environ.update({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})
    # Late: MuJoCo reads the environment on import.
    from m2r2_ros.simulation.generate import import_simulator

    import_simulator()
    from m2r2_ros.datasets.atomic import partial_file
    from m2r2_ros.experiments.imitation.imitation_settings import ImitationSettings
    from m2r2_ros.experiments.imitation.policy_comparison import Comparison, compare
    from m2r2_ros.experiments.imitation.success_table import comparison_markdown
    from m2r2_ros.training.settings import load_settings

    settings = load_settings(ImitationSettings, args.config)
    plan = Comparison(
        args.out, settings, tuple(dict.fromkeys(args.tasks)), args.episodes, args.workers
    )
    found = compare(plan, args.runs)
    text = comparison_markdown(found)
    for ending, written in ((".json", json.dumps(found, indent=1) + "\n"), (".md", text)):
        with partial_file(args.out / f"policies{ending}") as temporary:
            temporary.write_text(written, encoding="utf-8")
    print(text)
    print(args.out / "policies.md")
    return 0
