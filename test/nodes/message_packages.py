# SPDX-License-Identifier: Apache-2.0
"""Message packages that the ROS 2 wheels lack, built by colcon from their definitions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_PACKAGE = """<package format="3">
  <name>{name}</name><version>0.0.0</version><description>For tests.</description>
  <maintainer email="test@example.org">test</maintainer><license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <build_depend>rosidl_default_generators</build_depend>
  {depends}
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""
_CMAKE = """cmake_minimum_required(VERSION 3.20)
project({name})
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
{finds}
rosidl_generate_interfaces(${{PROJECT_NAME}} {files} DEPENDENCIES {needs})
ament_package()
"""


def build_messages(folder: Path, name: str, messages: Mapping[str, str], needs: list[str]) -> Path:
    """Build the package `name` with `messages` (type -> definition); the prefix of its install."""
    source = folder / "src" / name
    (source / "msg").mkdir(parents=True)
    for kind, definition in messages.items():
        (source / "msg" / f"{kind}.msg").write_text(definition + "\n")
    depends = "".join(f"<depend>{need}</depend>" for need in needs)
    (source / "package.xml").write_text(_PACKAGE.format(name=name, depends=depends))
    finds = "\n".join(f"find_package({need} REQUIRED)" for need in needs)
    files = " ".join(f'"msg/{kind}.msg"' for kind in messages)
    cmake = _CMAKE.format(name=name, finds=finds, files=files, needs=" ".join(needs))
    (source / "CMakeLists.txt").write_text(cmake)
    python = ("--cmake-args", f"-DPython3_EXECUTABLE={sys.executable}")
    result = subprocess.run(
        [sys.executable, "-m", "colcon", "build", "--merge-install", *python],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "install"


def sourced(prefix: Path) -> dict[str, str]:
    """The environment of a program that has sourced this install."""
    (site,) = prefix.glob("lib/python3*/site-packages")
    added = {
        "AMENT_PREFIX_PATH": prefix,
        "LD_LIBRARY_PATH": prefix / "lib",
        "PYTHONPATH": site,
    }
    return {
        name: os.pathsep.join(filter(None, [str(path), os.environ.get(name, "")]))
        for name, path in added.items()
    }
