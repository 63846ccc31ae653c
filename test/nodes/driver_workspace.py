# SPDX-License-Identifier: Apache-2.0
"""A colcon workspace of message packages that are not installed here, from their .msg texts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# The generators that rclpy needs over Fast DDS, half of the default ones.
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
_CMAKE = """cmake_minimum_required(VERSION 3.16)
project({package})
foreach(needed ament_cmake builtin_interfaces std_msgs {generators})
  find_package(${{needed}} REQUIRED)
endforeach()
rosidl_generate_interfaces(${{PROJECT_NAME}} {files} DEPENDENCIES builtin_interfaces std_msgs)
ament_package()
"""
_MANIFEST = """<package format="3">
  <name>{package}</name><version>0.0.0</version><description>For a test.</description>
  <maintainer email="a@example.org">a</maintainer><license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend><depend>std_msgs</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""


def build(folder: Path, files: dict[str, str]) -> Path:
    """Build the types (name -> text of the .msg file); returns the workspace's install folder."""
    packages: dict[str, list[str]] = {}
    for type_name, text in files.items():
        package, _, name = type_name.split("/")
        path = folder / "src" / package / "msg" / f"{name}.msg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
        packages.setdefault(package, []).append(f'"msg/{name}.msg"')
    for package, names in packages.items():
        words = {"package": package, "files": " ".join(names), "generators": " ".join(_GENERATORS)}
        (folder / "src" / package / "CMakeLists.txt").write_text(_CMAKE.format(**words))
        (folder / "src" / package / "package.xml").write_text(_MANIFEST.format(package=package))
    options = ("--merge-install", "--cmake-args", "-DBUILD_TESTING=OFF")
    python = f"-DPython3_EXECUTABLE={sys.executable}"
    done = subprocess.run(
        [sys.executable, "-m", "colcon", "build", *options, python],
        env=_active(),
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "install"


def run_in(install: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program where the workspace is sourced."""
    script = '. "$0/local_setup.bash" && exec "$@"'
    return subprocess.run(
        ["bash", "-c", script, str(install), *command],
        env=_active(),
        capture_output=True,
        text=True,
    )


def _active() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
