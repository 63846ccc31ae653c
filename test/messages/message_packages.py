# SPDX-License-Identifier: Apache-2.0
"""Message packages that the ROS 2 wheels lack, built by colcon from their definitions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# The generators that rclpy needs over Fast DDS: with the default ones a build takes half as long
# again.
_GENERATORS = (
    "rosidl_cmake",
    "rosidl_generator_type_description",
    "rosidl_generator_c",
    "rosidl_generator_cpp",
    "rosidl_typesupport_fastrtps_cpp",
    "rosidl_typesupport_fastrtps_c",
    "rosidl_typesupport_c",
    "rosidl_generator_py",
)
_PACKAGE = """<package format="3">
  <name>{name}</name><version>0.0.0</version><description>For tests.</description>
  <maintainer email="test@example.org">test</maintainer><license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  {depends}
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""
_CMAKE = """cmake_minimum_required(VERSION 3.20)
project({name})
foreach(needed ament_cmake {needs} {generators})
  find_package(${{needed}} REQUIRED)
endforeach()
rosidl_generate_interfaces(${{PROJECT_NAME}} {files} DEPENDENCIES {needs})
ament_package()
"""
_COMMON = ("builtin_interfaces", "std_msgs")


def build_messages(folder: Path, files: Mapping[str, str], needs: Sequence[str] = _COMMON) -> Path:
    """Build types ("package/msg/Type" -> definition); the prefix of their install."""
    packages: dict[str, list[str]] = {}
    for type_name, definition in files.items():
        package, _, kind = type_name.split("/")
        path = folder / "src" / package / "msg" / f"{kind}.msg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(definition + "\n")
        packages.setdefault(package, []).append(f'"msg/{kind}.msg"')
    for package, names in packages.items():
        depends = "".join(f"<depend>{need}</depend>" for need in needs)
        words = {"needs": " ".join(needs), "generators": " ".join(_GENERATORS)}
        source = folder / "src" / package
        (source / "package.xml").write_text(_PACKAGE.format(name=package, depends=depends))
        cmake = _CMAKE.format(name=package, files=" ".join(names), **words)
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
