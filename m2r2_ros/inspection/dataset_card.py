# SPDX-License-Identifier: Apache-2.0
"""A data-set card in Markdown: what a folder of recordings holds.

Sets with labels of REASSEMBLE are shown beside its figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from m2r2_ros.evaluation.tables import markdown_cell, markdown_table
from m2r2_ros.inspection.dataset_statistics import FEW_EXAMPLES
from m2r2_ros.labels import is_reassemble
from m2r2_ros.vocabulary import Vocabulary

# Published with the data set (Sliwowski et al., "REASSEMBLE", RSS 2025). Whether its actions
# include "No action" is not stated; those counted here do not.
REASSEMBLE = {
    "recordings": 149,
    "minutes": 781,
    "actions": 4551,
    "successful": 4035,
    "actions_per_recording": 36,
}

# What holds for every recording that `m2r2 simulate` makes, whatever its recipe.
_SIMULATED = (
    "A script drives the arm and is told where the parts are, with an error as eyes have; "
    "REASSEMBLE was teleoperated by people.",
    "It works faster and shows less variety than people do: see the actions a minute above.",
    "Contacts are MuJoCo's, between rigid parts with chamfers; the latches of connectors are a "
    "force, and half a turn closes every thread. Parts begin upright in a kit with pockets.",
    "Pictures are rendered without shadows, 224 pixels wide, at 10 Hz unless the recipe says "
    "otherwise; REASSEMBLE's cameras run at about 30 Hz.",
    "Sound is synthesised from contact forces, sliding, latches and motors; nothing was recorded.",
    "Sensor noise, bias, drift and clock jitter are models, not measured on a robot.",
    "There is no event camera.",
)
_MOST_PROBLEMS = 20
_MOST_NAMED = 20


def card_text(name: str, statistics: Mapping[str, Any]) -> str:
    """The card of data set `name`.

    `statistics` is what `dataset_statistics` gives, and "unreadable" (file -> reason) and "recipe"
    (of the simulator, None for other data).
    """
    is_alike = is_reassemble(statistics["vocabulary"]["labels"])
    sections = [
        f"# Data-set card: {markdown_cell(name)}",
        _origin(statistics["recipe"]),
        "## Against REASSEMBLE" if is_alike else "## Size",
        _size(statistics, REASSEMBLE if is_alike else None),
        "## Activities",
        _activities(statistics),
        "## Classes",
        "Actions of each class; in brackets those that failed.\n\n" + class_table(statistics),
        _balance(statistics["balance"]),
        "## Low-level skills",
        _skills(statistics["low_level"]),
        "## Unlike REASSEMBLE" if is_alike else "## Problems",
        _problems(statistics),
        "## Recordings",
        _recordings(statistics["each_recording"]),
    ]
    if statistics["unreadable"]:
        rows = statistics["unreadable"].items()
        sections += ["## Could not be read", markdown_table(("file", "reason"), rows)]
    return "\n\n".join(sections) + "\n"


def _origin(recipe: Mapping[str, Any] | None) -> str:
    if recipe is None:
        return "Recorded demonstrations."
    words = ", ".join(f"{key} {value}" for key, value in recipe.items())
    return f"Simulated demonstrations (`m2r2 simulate`: {markdown_cell(words)})."


def _size(statistics: Mapping[str, Any], other: Mapping[str, int] | None) -> str:
    """Beside the figures of an `other` data set, if there is one to compare with."""
    median = statistics["actions_per_recording"]
    figures = {**statistics, "actions_per_recording": median["median"] if median else None}
    columns = [_figures(figures)] + ([_figures(other)] if other else [])
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    header = ("", "this data set") + (("REASSEMBLE",) if other else ())
    counted = "Actions are counted without idle ones."
    if other:
        counted = 'Actions of this data set are counted without "No action".'
    return f"{markdown_table(header, rows)}\n\n{counted}"


def _figures(of: Mapping[str, Any]) -> dict[str, str | int]:
    actions, minutes, median = of["actions"], of["minutes"], of["actions_per_recording"]
    is_whole = isinstance(minutes, int)
    return {
        "recordings": of["recordings"],
        "minutes": minutes if is_whole else f"{minutes:.1f}",
        "actions": actions,
        "successful actions": _of(of["successful"], actions),
        "actions a recording (median)": "-" if median is None else f"{median:g}",
        "actions a minute": f"{actions / minutes:.1f}" if minutes else "-",
        "seconds an action, pauses included": f"{minutes * 60 / actions:.1f}" if actions else "-",
    }


def _activities(statistics: Mapping[str, Any]) -> str:
    shares = statistics["balance"]["activity_share"]
    rows = [
        (
            markdown_cell(name),
            entry["actions"],
            f"{shares[name]:.0%}" if name in shares else "",
            _of(entry["successful"], entry["actions"]),
            *_three(entry["duration_s"]),
        )
        for name, entry in statistics["coarse"].items()
    ]
    header = ("", "number", "share of actions", "successful", "lower quartile [s]", "median [s]")
    return markdown_table((*header, "upper quartile [s]"), rows)


def class_table(statistics: Mapping[str, Any]) -> str:
    """Number of actions, failures and success of every class, in Markdown.

    Actions that have objects are a table with a row an object, the others a row each.
    """
    fine = statistics["fine"]
    vocabulary = Vocabulary.from_dict(statistics["vocabulary"]) if fine else Vocabulary(())
    named = [label for label in fine if not vocabulary.is_idle(label)]
    objects = [label for label in named if vocabulary.object_of(label)]
    plain = [label for label in named if not vocabulary.object_of(label)]
    tables = [_object_table(fine, vocabulary, objects)] if objects else []
    if plain or not objects:
        rows = [(markdown_cell(n), _with_failures(fine[n]), _success(fine[n])) for n in plain]
        tables.append(markdown_table(("class", "actions", "successful"), rows))
    return "\n\n".join(tables)


def _object_table(fine: Mapping[str, Any], vocabulary: Vocabulary, labels: Sequence[str]) -> str:
    cells = {(vocabulary.object_of(n), vocabulary.coarse(n)): fine[n] for n in labels}
    objects, actions = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    rows = []
    for name in objects:
        total = _sum([cells[name, action] for action in actions if (name, action) in cells])
        row = [_with_failures(cells.get((name, action))) for action in actions]
        rows.append((markdown_cell(name), *row, total["actions"], _success(total)))
    each = [_sum([cells[n, a] for n in objects if (n, a) in cells]) for a in actions]
    total = _sum(each)
    rows.append(("all", *map(_with_failures, each), total["actions"], _success(total)))
    rows.append(("successful", *map(_success, each), "", ""))
    header = ("object", *map(markdown_cell, actions), "all", "successful")
    return markdown_table(header, rows)


def _sum(cells: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {key: sum(cell[key] for cell in cells) for key in ("actions", "successful")}


def _success(cell: Mapping[str, int]) -> str:
    return _of(cell["successful"], cell["actions"])


def _with_failures(cell: Mapping[str, int] | None) -> str:
    """ "" where there is no such class."""
    if cell is None:
        return ""
    failed = cell["actions"] - cell["successful"]
    return f"{cell['actions']} ({failed})" if failed else str(cell["actions"])


def _balance(balance: Mapping[str, Any]) -> str:
    lines = [
        f"- Fewest examples of a class: {balance['fewest']}",
        f"- Absent: {_listed(balance['absent'])}",
        f"- Fewer than {FEW_EXAMPLES} examples: {_listed(balance['few'])}",
    ]
    if balance["not_of_vocabulary"]:
        lines.append(f"- Labels that are no class: {_listed(balance['not_of_vocabulary'])}")
    if balance["not_of_reassemble"]:
        lines.append(f"- Not classes of REASSEMBLE: {_listed(balance['not_of_reassemble'])}")
    return "\n".join(lines)


def _listed(labels: Sequence[str]) -> str:
    if not labels:
        return "none"
    return f"{len(labels)}" + (
        f" ({markdown_cell(', '.join(labels))})" if len(labels) <= _MOST_NAMED else ""
    )


def _skills(skills: Mapping[str, Any]) -> str:
    if not skills:
        return "None is labelled."
    rows = [(name, e["actions"], *_three(e["duration_s"])) for name, e in skills.items()]
    header = ("", "number", "lower quartile [s]", "median [s]", "upper quartile [s]")
    return markdown_table(header, rows)


def _problems(statistics: Mapping[str, Any]) -> str:
    lines = list(_SIMULATED) if statistics["recipe"] is not None else []
    entries = statistics["each_recording"]
    found = Counter(problem for entry in entries for problem in entry["problems"])
    for problem, count in found.most_common(_MOST_PROBLEMS):
        lines.append(f"In {count} of {len(entries)} recordings: {markdown_cell(problem)}.")
    if (rest := len(found) - _MOST_PROBLEMS) > 0:
        lines.append(f"{rest} more kinds of problems: see the JSON file.")
    return "\n".join(f"- {line}" for line in lines) or "Nothing was found."


def _recordings(entries: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        (
            entry["name"],
            f"{entry['duration_s'] / 60:.2f}",
            "-" if entry["actions"] is None else entry["actions"],
            "-" if entry["actions"] is None else entry["successful"],
            f"`{entry['label_sha256']}`" if entry["label_sha256"] else "no labels",
        )
        for entry in entries
    ]
    header = ("recording", "minutes", "actions", "successful", "SHA-256 of the label track")
    return markdown_table(header, rows) + (
        "\n\nTimes of these label tracks count from the first picture, as in a converted bag; "
        "those in manifest.json from the start of the recording."
    )


def _three(quartiles: Mapping[str, float] | None) -> list[str]:
    return [f"{value:.2f}" for value in quartiles.values()] if quartiles else ["-"] * 3


def _of(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.0%})" if whole else "-"
