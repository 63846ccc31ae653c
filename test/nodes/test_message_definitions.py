# SPDX-License-Identifier: Apache-2.0
"""What the installed classes tell of a type is what its .msg file says."""

from __future__ import annotations

import importlib

import pytest

from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.definitions import stored_definitions
from m2r2_ros.nodes.message_definitions import installed_fields

PACKAGES = (
    "builtin_interfaces",
    "std_msgs",
    "geometry_msgs",
    "sensor_msgs",
    "nav_msgs",
    "m2r2_msgs",
)


def message_types(package):
    module = importlib.import_module(f"{package}.msg")
    return sorted(name for name in vars(module) if name[0].isupper())


@pytest.mark.parametrize("package", PACKAGES)
def test_both_say_the_same(ros, package):
    common = stored_definitions({})
    compared = 0
    for name in message_types(package):
        type_name = f"{package}/msg/{name}"
        fields = installed_fields(type_name)
        if any(kind.name == "wstring" for _, kind in fields):
            continue
        assert fields == common(type_name), type_name
        compared += 1
    assert compared


def test_a_type_that_is_not_installed(ros):
    with pytest.raises(MessageError, match=r"lab_msgs/msg/Pad are not installed"):
        installed_fields("lab_msgs/msg/Pad")
