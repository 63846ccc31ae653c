# SPDX-License-Identifier: Apache-2.0
"""Parameters of the nodes, arguments of the launch files, and messages, each on a page."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from markdown_text import block, code, plain, table

from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.setting import Setting

ROOT = Path(__file__).resolve().parents[2]
INTERFACES = ROOT / "m2r2_msgs"


def node_pages() -> dict[str, str]:
    return {
        "reference/parameters.md": "\n\n".join(parameter_page()) + "\n",
        "reference/launch.md": "\n\n".join(launch_page()) + "\n",
        "reference/messages.md": "\n\n".join(message_page()) + "\n",
    }


def parameter_page() -> Iterator[str]:
    yield "# Parameters of the nodes"
    yield (
        "One parameter file serves all nodes: [how it is read](../operations.md#files), and "
        "[which inputs it names](../sensors.md#the-robot-file). *live*: an active node takes a new "
        "value at once; all others are read in `configure`."
    )
    for node in parameters.NODES:
        yield f"## {node}"
        yield setting_table([parameters.AUTOSTART, *settings_of(node)])
    yield "## Inputs"
    yield "Of `synchronizer`, one for each sensor; `wrench` and `hama1` stand for any of yours."
    names = [f"signals.wrench.{key}" for key in parameters._SIGNALS]
    topics = parameters.topic_settings(TopicMap().topics)
    yield setting_table([*topics, *parameters.signal_settings(names)])


def settings_of(node: str) -> tuple[Setting, ...]:
    """The constant of the node's name, and the tracker's parameters, whose defaults a head has."""
    own = getattr(parameters, node.upper())
    if node != parameters.SEGMENTER_NODE:
        return own
    return (*own, *parameters.tracker_settings(TrackerConfig()))


def setting_table(settings: Iterable[Setting]) -> str:
    rows = [
        (
            code(setting.name),
            code(shown(setting.default)),
            bounds(setting),
            plain(setting.description) + (" *live*" if setting.live else ""),
        )
        for setting in settings
    ]
    return table(["parameter", "default", "range", "meaning"], rows)


def shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return str(list(default))
    return f"{default:g}" if isinstance(default, float) else str(default) or "''"


def bounds(setting: Setting) -> str:
    if not setting.is_bounded:
        return ""
    low, high = (f"{value:g}" for value in (setting.minimum, setting.maximum))
    return f"from {low}" if math.isinf(setting.maximum) else f"{low} to {high}"


def launch_page() -> Iterator[str]:
    yield "# Launch files"
    for path in sorted((ROOT / "launch").glob("*.launch.py")):
        tree = ast.parse(path.read_text("utf-8"))
        text, _, examples = ast.get_docstring(tree).partition("\n\n")
        yield f"## {path.name}"
        yield plain(text)
        yield block(examples)
        yield table(["argument", "default", "meaning"], launch_arguments(tree))


def launch_arguments(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """The entries of ARGUMENTS: a default and its meaning each."""
    (table_of,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ARGUMENTS"
    )
    for key, value in zip(table_of.keys, table_of.values, strict=True):
        default, meaning = value.elts
        said = code(default.value or "") if isinstance(default, ast.Constant) else "as shipped"
        yield code(f"{key.value}:="), said, plain(text_of(meaning))


def text_of(node: ast.expr) -> str:
    """A text, with the names that are filled in left as names."""
    if isinstance(node, ast.JoinedStr):
        parts = (p.value if isinstance(p, ast.Constant) else "..." for p in node.values)
        return "".join(parts)
    return ast.literal_eval(node)


def message_page() -> Iterator[str]:
    yield "# Messages, services and actions"
    yield "The definitions in `m2r2_msgs`, with what each field means."
    for path in sorted(INTERFACES.glob("*/*.*")):
        if path.suffix in (".msg", ".srv", ".action"):
            yield f"## {path.stem}"
            yield f"`m2r2_msgs/{path.parent.name}/{path.stem}`"
            yield block(path.read_text("utf-8").strip(), "python")
