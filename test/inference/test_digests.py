# SPDX-License-Identifier: Apache-2.0
"""A model that is not the one listed in models.sha256 is refused."""

from __future__ import annotations

import pytest
from tiny_models import sha256_of, write_models

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.models import Models
from m2r2_ros.sensing.layout import SensorLayout


@pytest.fixture(params=[".", "pair"], ids=["beside", "above"])
def listed(tmp_path, request):
    """A pair of models and the list, in their folder or in the one above."""
    folder = write_models(tmp_path / "pair", SensorLayout(cameras=("hama1",)))
    base = folder if request.param == "." else tmp_path
    lines = [
        f"{sha256_of(path)}  {path.relative_to(base)}\n" for path in sorted(folder.glob("*.onnx"))
    ]
    (base / "models.sha256").write_text("".join(lines) + "0" * 64 + "  another.onnx\n")
    return folder


def test_what_is_listed_is_loaded(listed):
    assert Models.load(listed).head.labels


@pytest.mark.parametrize("name", ["encoder.onnx", "head.onnx"])
def test_what_has_changed_since_is_refused(listed, name):
    path = listed / name
    # An unknown field of length 0: still a valid graph.
    path.write_bytes(path.read_bytes() + b"\x7a\x00")
    with pytest.raises(M2R2Error, match=f"{name}: is not the file that .*models.sha256 lists"):
        Models.load(listed)


def test_a_list_that_is_no_text_lists_nothing(tmp_path):
    folder = write_models(tmp_path / "pair", SensorLayout(cameras=("hama1",)))
    (folder / "models.sha256").write_bytes(b"\xff\xfe\x00" * 99)
    assert Models.load(folder).head.labels
