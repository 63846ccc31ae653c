# SPDX-License-Identifier: Apache-2.0
"""Publish a models folder on the Hugging Face hub, from where nodes and commands take it by name.

The folder is checked first, and what is uploaded is printed: the models, models.sha256, the card,
and a README.md made of it. It needs a token: HF_TOKEN, or `hf auth login`.

Examples:
    m2r2 publish my_models my_lab/screwdriving --dry-run
    m2r2 publish my_models my_lab/screwdriving --private
    m2r2 publish my_models my_lab/screwdriving --licence apache-2.0
"""

from __future__ import annotations

import argparse
from pathlib import Path

from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.hub.publish import prepare, publish


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="MODELS", help="models folder to upload")
    parser.add_argument("name", metavar="ORG/NAME", help="the model repository, made if need be")
    parser.add_argument("--private", action="store_true", help="make a repository for you alone")
    parser.add_argument(
        "--licence",
        default="",
        metavar="ID",
        help="the hub's identifier of the models' licence (default: the card's, else unknown)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what it would upload")


def main(args: argparse.Namespace) -> int:
    if args.licence and not args.licence.replace("-", "").replace(".", "").isalnum():
        raise M2R2Error(f"--licence {args.licence}: is no identifier, such as apache-2.0")
    publication = prepare(args.folder, args.name, args.licence)
    seen_by = "private if it is new" if args.private else "public if it is new"
    print(printable(f"{args.folder} -> {args.name} ({seen_by})"))
    print(*map(printable, publication.lines()), sep="\n", flush=True)
    if args.dry_run:
        return 0
    commit = publish(publication, args.private)
    print(f"published: models:={args.name}@{commit}")
    return 0
