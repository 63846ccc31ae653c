# SPDX-License-Identifier: Apache-2.0
"""What was not learned here is not replaced."""

from __future__ import annotations

import pytest

from m2r2_ros.errors import M2R2Error
from m2r2_ros.learning.publication import check_place


@pytest.mark.parametrize(
    "there", ["encoder.onnx", "head.onnx", "folds/mine/notes.txt", "model_card.md", "report.html"]
)
def test_models_and_folds_of_others_are_not_replaced(there, tmp_path):
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).touch()
    with pytest.raises(M2R2Error, match="not of an earlier `m2r2 learn`: choose another --out"):
        check_place(tmp_path)


def test_what_was_learned_before_is_replaced(tmp_path):
    check_place(tmp_path)
    for file in ("encoder.onnx", "head.onnx", "outcome.json", "folds/anna/held_out.json"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    check_place(tmp_path)
