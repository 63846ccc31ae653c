# SPDX-License-Identifier: Apache-2.0
"""What is true of several recordings is said once of the first, and of the others together."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2r2_ros.cli._said import saying
from m2r2_ros.errors import M2R2Error


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), unique=True))
def test_nothing_is_lost_and_nothing_is_said_twice(said):
    of_line = defaultdict(list)
    for recording, line in said:
        of_line[line].append(str(recording))
    with pytest.MonkeyPatch.context() as patch:
        printed = []
        patch.setattr("builtins.print", lambda text, **_: printed.append(text))
        with saying() as lines:
            for recording, line in said:
                lines.say(recording, line)
    expected = [f"{names[0]}: {line}" for line, names in of_line.items()]
    for line, (_, *others) in of_line.items():
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        expected += [f"{', '.join(others[:3])}{more}: {line}"] if others else []
    assert sorted(printed) == sorted(expected)


def test_the_others_are_named_where_an_error_ends_the_work(capsys):
    with pytest.raises(M2R2Error), saying() as lines:
        lines.say("a", "no labels")
        lines.say("b", "no labels")
        raise M2R2Error("the disk is full")
    assert capsys.readouterr().err == "a: no labels\nb: no labels\n"
