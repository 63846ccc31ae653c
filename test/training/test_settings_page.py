# SPDX-License-Identifier: Apache-2.0
"""docs/settings.md says what the source says."""

import re
import runpy
from dataclasses import asdict

import yaml
from source_tree import ROOT

from m2r2_ros.training.head_registry import find_head, head_names
from m2r2_ros.training.settings import OptimiserSettings

TEXT = (ROOT / "docs" / "settings.md").read_text("utf-8")


def test_the_page_is_that_of_the_source():
    tool = runpy.run_path(str(ROOT / "tools" / "settings_page.py"))
    assert tool["page"]() == tool["PAGE"].read_text("utf-8"), "run tools/settings_page.py"


def test_every_entry_has_a_meaning():
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if re.search(r"\|\s*\|$", row)] == []


def test_defaults_of_a_group_are_those_of_the_command():
    """The table of a group has its own; where a command starts from others, its row says so."""
    heads = {name: find_head(name).settings() for name in head_names()}
    for name, settings in heads.items():
        section = TEXT.partition(f"## m2r2 train --head {name}\n")[2].partition("\n## ")[0]
        (row,) = (line for line in section.splitlines() if line.startswith("| `optimiser`"))
        stated = dict(re.findall(r"`(\w+): ([^`]+)`", row.split("|")[2]))
        start = asdict(OptimiserSettings()) | {key: yaml.safe_load(v) for key, v in stated.items()}
        assert {k: str(v) for k, v in start.items()} == {
            k: str(v) for k, v in asdict(settings.optimiser).items()
        }


def test_every_head_and_every_group_of_settings_is_there():
    for heading in ("m2r2 train --head causal", "OptimiserSettings", "M2R2Config"):
        assert f"\n## {heading}\n" in TEXT
    assert "| `confirm_s` | 0.3 | Seconds for which a new label must win" in TEXT
