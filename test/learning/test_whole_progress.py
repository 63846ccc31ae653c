# SPDX-License-Identifier: Apache-2.0
"""One bar over all stages: it never goes back, whatever is told, and ends at the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.learning.whole_progress import WholeProgress
from m2r2_ros.parallel.progress import Progress, told_to

PARTS = st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1)), max_size=20)


@given(PARTS, st.floats(0, 5))
def test_the_bar_goes_on_and_ends_at_the_whole(told, done_s):
    seen = []
    with told_to(seen.append):
        progress = WholeProgress(20.0 + done_s, done_s)
    progress._bar.mininterval = 0
    with progress.stages("side by side", [1.0, 5.0, 4.0]) as listener:
        for piece, part in told:
            listener(piece, part)
    with progress.stage("one", 10.0):
        list(Progress(range(3), mininterval=0))
    progress.close()
    assert seen == sorted(seen)
    assert progress._bar.n == pytest.approx(20.0 + done_s)
