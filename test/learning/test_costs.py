# SPDX-License-Identifier: Apache-2.0
"""What the stages of learning are reckoned to take."""

from __future__ import annotations

import pytest

from m2r2_ros.learning.costs import Costs
from m2r2_ros.learning.plan import head_settings

COSTS = Costs(sensors=8, cameras=3, windows_per_minute=600.0)


def test_a_head_costs_as_many_rounds_as_its_epochs_have():
    """Seven recordings of 12.7 minutes, as a fold of ten had: 290 s of a core, with the export."""
    settings = head_settings()
    assert settings.rounds(7) == 3 and settings.rounds(40) == 1
    seconds = COSTS.head(settings, 12.7, 7)
    assert seconds == pytest.approx(290, rel=0.25)
    rest = COSTS.head(settings, 12.7, 40)
    assert 2 < seconds / rest < 3
