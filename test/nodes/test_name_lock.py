# SPDX-License-Identifier: Apache-2.0
"""The lock of a node's name, where the disk gives no room for its holder's number."""

import errno
import os

import pytest

from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes import name_lock
from m2r2_ros.nodes.name_lock import NameLock


def test_a_full_disk_keeps_no_node_from_starting(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    monkeypatch.setattr(os, "pwrite", refuse)
    monkeypatch.setattr(name_lock, "_PATIENCE_S", 0.0)
    first, second = NameLock("/segmenter"), NameLock("/segmenter")
    first.take()
    assert not first.problem
    with pytest.raises(M2R2Error, match="/segmenter is in use by process"):
        second.take()
    first.release()
    second.take()
    second.release()
