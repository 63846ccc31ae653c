# SPDX-License-Identifier: Apache-2.0
"""docs/settings.md says what the source says."""

import runpy

from source_tree import ROOT


def test_the_page_is_that_of_the_source():
    tool = runpy.run_path(str(ROOT / "tools" / "settings_page.py"))
    assert tool["page"]() == tool["PAGE"].read_text("utf-8"), "run tools/settings_page.py"


def test_every_head_and_every_group_of_settings_is_there():
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    for heading in ("m2r2 train --head causal", "OptimiserSettings", "M2R2Config"):
        assert f"\n## {heading}\n" in text
    assert "| `confirm_s` | 0.3 | Seconds for which a new label must win" in text
