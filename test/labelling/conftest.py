# SPDX-License-Identifier: Apache-2.0
"""The recording that pages and servers are tried on."""

import pytest
from label_server import DATA

from m2r2_ros.datasets.reassemble_writer import write_recording


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("label") / f"{DATA.name}.h5"
    write_recording(path, DATA)
    return path
