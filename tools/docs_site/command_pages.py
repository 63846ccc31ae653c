# SPDX-License-Identifier: Apache-2.0
"""A page for each command, from its argument parser and its docstring."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

from markdown_text import block, code, paragraphs, plain, table

from m2r2_ros.cli.main import verbs

FOLDER = "reference/commands"


def command_pages() -> dict[str, str]:
    """The pages by their places, an overview among them."""
    found = {verb: importlib.import_module(f"m2r2_ros.cli.{verb}") for verb in verbs()}
    pages = {f"{FOLDER}/{verb}.md": page(verb, module) for verb, module in found.items()}
    rows = [(f"[m2r2 {verb}]({verb}.md)", plain(summary(module))) for verb, module in found.items()]
    listed = table(["command", "what it does"], rows)
    text = f"# Commands\n\n`ros2 run m2r2_ros VERB` is the same as `m2r2 VERB`.\n\n{listed}\n"
    return {f"{FOLDER}/index.md": text, **pages}


def summary(module: object) -> str:
    return module.__doc__.partition("\n")[0]


def page(verb: str, module: object) -> str:
    """What the command is for, its arguments, and its examples."""
    explanation, _, examples = module.__doc__.partition("Examples:")
    parser = argparse.ArgumentParser(prog=f"m2r2 {verb}")
    module.add_arguments(parser)
    parts = [f"# m2r2 {verb}", paragraphs(explanation)]
    if examples.strip():
        parts += ["## Examples", block("\n".join(line.strip() for line in examples.split("\n")))]
    parts += ["## Arguments", block(parser.format_usage().partition(" ")[2].strip())]
    return "\n\n".join([*parts, table(["argument", "default", "meaning"], rows(parser))]) + "\n"


def rows(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, str]]:
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        values = parser._get_formatter()._expand_help(action) if action.help else ""
        default = action.default not in (None, False, argparse.SUPPRESS, [])
        yield named(action), code(action.default) if default else "", plain(values)


def named(action: argparse.Action) -> str:
    """As the command's own usage has it: `--out OUT`, `--labels {fine,coarse}`, `recording`."""
    flags = ", ".join(action.option_strings)
    if action.nargs == 0:
        return code(flags)
    value = action.metavar or (action.dest.upper() if flags else action.dest)
    if action.choices is not None:
        value = f"{{{','.join(map(str, action.choices))}}}"
    return code(f"{flags} {value}".strip())
