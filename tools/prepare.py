# SPDX-License-Identifier: Apache-2.0
"""Prepare .venv: packages, ROS 2 (from wheels where none is sourced), m2r2_msgs, m2r2_ros.

Usage: prepare.py [EXTRA...]      extras as in setup.py: train, sim, annotate, ...

Standard library only. Every step remembers a digest of what it read and is skipped while that
stays the same; a step that was interrupted is done again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STATE = VENV / "prepared.json"
CONSTRAINTS = ROOT / "constraints.txt"
INTERFACES = ROOT / "m2r2_msgs"
HOOK = "_m2r2_environment"

SUPPORTED = range(10, 14)  # Python 3.x
ROS_DISTRO = os.environ.get("ROS_DISTRO", "")

# A sourced ROS 2 is compiled against its own NumPy, which therefore stays; the pinned versions of
# these need a newer one.
NUMPY_FOLLOWERS = ("numpy", "contourpy", "ml-dtypes", "scipy")


def main(extras: list[str]) -> int:
    """Prepare what is not yet prepared; returns the exit status."""
    use_supported_python()
    try:
        check_machine()
        started = time.monotonic()
        with only_one():
            make_environment()
            is_installed = step("packages", packages_digest(), install_packages, extras)
            register = partial(register_package, is_installed=is_installed)
            done = [
                is_installed,
                step("interfaces", interfaces_digest(), build_interfaces),
                step("registration", registration_digest(), register),
            ]
        if any(done):
            say(f"ready after {time.monotonic() - started:.0f} s")
    except PreparationError as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("prepare: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


class PreparationError(Exception):
    """What the machine lacks, in one line that says what to do."""


# What the machine must bring


def use_supported_python() -> None:
    """Replace this process by a supported interpreter if this one is not and one is there."""
    if sys.version_info[0] == 3 and sys.version_info[1] in SUPPORTED:
        return
    for minor in reversed(SUPPORTED):
        candidate = shutil.which(f"python3.{minor}")
        if candidate and not subprocess.run([candidate, "-c", ""], capture_output=True).returncode:
            os.execv(candidate, [candidate, *sys.argv])
    sys.exit(f"prepare: Python 3.10 to 3.13 is needed, this is {platform.python_version()}")


def check_machine() -> None:
    """Raise PreparationError for the first thing that is missing."""
    if not ROS_DISTRO and (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise PreparationError(
            f"the ROS 2 wheels are for Linux on x86-64, this is {platform.system()} on "
            f"{platform.machine()}: install ROS 2, source its setup.bash and run this again"
        )
    for compiler in ("cc", "c++"):
        if not shutil.which(os.environ.get("CC" if compiler == "cc" else "CXX", compiler)):
            raise PreparationError(f"no {compiler} found: install a C and C++ compiler (gcc, g++)")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise PreparationError(f"Python.h is missing: install python{version}-dev")


def only_one() -> object:
    """Hold a lock file while preparing: two at a time would spoil each other's work."""
    lock = open(ROOT / ".prepare.lock", "w")  # noqa: SIM115 - closed by the caller's `with`
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another preparation of this folder to end")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


# Steps


def step(
    name: str, digest: str, action: Callable[[list[str]], None], extras: Iterable[str] = ()
) -> bool:
    """Run one step unless it was done for the same digest and at least these extras."""
    state = read_state()
    before = state.pop(name, {})
    wanted = sorted({*extras, *before.get("extras", ())})
    if before == {"digest": digest, "extras": wanted}:
        return False
    # Until it is done the step counts as not done, but what was once asked for is not forgotten.
    write_state({**state, name: {"extras": wanted}})
    action(wanted)
    write_state({**state, name: {"digest": digest, "extras": wanted}})
    return True


def make_environment() -> None:
    """Create .venv, anew if it is for another Python or another ROS 2."""
    identity = f"Python {'.'.join(map(str, sys.version_info[:2]))}, ROS {ROS_DISTRO or 'wheels'}"
    if read_state().get("environment") == identity and PYTHON.exists():
        return
    say(f"making .venv ({identity})")
    options = ["--system-site-packages"] if ROS_DISTRO else []
    base = getattr(sys, "_base_executable", sys.executable)
    run([base, "-m", "venv", "--clear", *options, VENV])
    write_state({"environment": identity})


def packages_digest() -> str:
    return digest_of([CONSTRAINTS, ROOT / "setup.py"])


def install_packages(extras: list[str]) -> None:
    """Install what m2r2_ros needs to run, and the extras."""
    groups = sorted({*extras, *([] if ROS_DISTRO else ["ros"])})
    say(f"installing packages ({', '.join(['run time', *groups])})")
    constraints = CONSTRAINTS if not ROS_DISTRO else constraints_for_sourced_ros()
    pip("install", "-c", constraints, "setuptools<80", "wheel")
    wanted = f"{ROOT}[{','.join(groups)}]" if groups else ROOT
    pip("install", "-c", constraints, "--no-build-isolation", "--no-compile", "-e", wanted)
    compile_packages()


def compile_packages() -> None:
    """Compile what pip has installed, on all cores; pip itself compiles on one."""
    # Packages bring templates that are no Python: they are left as they are, as pip leaves them.
    run([PYTHON, "-m", "compileall", "-q", "-j", "0", *site_packages()], check=False)


def site_packages() -> list[Path]:
    return list(VENV.glob("lib/python3.*/site-packages"))


def constraints_for_sourced_ros() -> Path:
    """Write the constraints that leave the NumPy of the sourced ROS 2 in place."""
    check = run([PYTHON, "-c", "import numpy, rclpy; print(numpy.__version__)"], check=False)
    if check.returncode:
        reason = (check.stderr.strip().splitlines() or ["no message"])[-1]
        raise PreparationError(
            f"ROS 2 {ROS_DISTRO} is sourced but not usable with Python "
            f"{platform.python_version()} ({reason}): run make with PYTHON= set to the one it "
            "was built for"
        )
    lines = CONSTRAINTS.read_text().splitlines()
    kept = [line for line in lines if line.partition("==")[0] not in NUMPY_FOLLOWERS]
    path = VENV / "constraints.txt"
    path.write_text("\n".join([*kept, f"numpy=={check.stdout.strip()}", ""]))
    return path


def interfaces_digest() -> str:
    wheels = [line for line in CONSTRAINTS.read_text().splitlines() if line.startswith("ros-")]
    return digest_of(sorted(p for p in INTERFACES.rglob("*") if p.is_file())) + " ".join(wheels)


def build_interfaces(_: list[str]) -> None:
    """Build m2r2_msgs and install it into .venv, beside the other interface packages."""
    say("building m2r2_msgs")
    if not ROS_DISTRO:
        point_wheels_here()
    build = VENV / "build" / INTERFACES.name
    shutil.rmtree(build, ignore_errors=True)
    environment = {
        **os.environ,
        "AMENT_PREFIX_PATH": os.pathsep.join(
            filter(None, [os.environ.get("AMENT_PREFIX_PATH"), str(VENV)])
        ),
        "PATH": os.pathsep.join([str(PYTHON.parent), os.environ["PATH"]]),
    }
    options = {
        "CMAKE_INSTALL_PREFIX": VENV,
        "CMAKE_PREFIX_PATH": environment["AMENT_PREFIX_PATH"].replace(os.pathsep, ";"),
        "Python3_EXECUTABLE": PYTHON,
        "BUILD_TESTING": "OFF",
    }
    definitions = [f"-D{key}={value}" for key, value in options.items()]
    run(["cmake", "-S", INTERFACES, "-B", build, *definitions], env=environment)
    run(["cmake", "--build", build, "--parallel", str(os.cpu_count())], env=environment)
    run(["cmake", "--install", build], env=environment)


def point_wheels_here() -> None:
    """Put this machine's include folders where the wheels' CMake files name their builder's."""
    query = (
        "import numpy, sysconfig;"
        "print(sysconfig.get_path('include'), numpy.get_include(), sep='\\n')"
    )
    python_include, numpy_include = run([PYTHON, "-c", query]).stdout.splitlines()
    for path in VENV.glob("share/*/cmake/*.cmake"):
        text = path.read_text()
        here = re.sub(r"/opt/python/cp\d+-cp\d+/include/python3\.\d+", python_include, text)
        here = re.sub(r"/opt/python/[^\";]*/numpy/_core/include", numpy_include, here)
        if here != text:
            path.write_text(here)


def registration_digest() -> str:
    verbs = sorted(path.name for path in (ROOT / "m2r2_ros" / "cli").glob("*.py"))
    files = [ROOT / path for path in ("tools/ros_environment.py", "setup.py", "setup.cfg")]
    return digest_of(files) + " ".join([*verbs, *launch_files()])


def register_package(_: list[str], is_installed: bool) -> None:
    """Install m2r2_ros in editable mode, where `ros2 run`, `ros2 launch` and ament find it too.

    is_installed: pip has just done its part, with the packages.
    """
    say("registering m2r2_ros")
    if not is_installed:
        pip("install", "--no-deps", "--no-build-isolation", "-e", ROOT)
    # Left by the build; found before the installed one wherever this folder is on the path.
    shutil.rmtree(ROOT / "m2r2_ros.egg-info", ignore_errors=True)
    (site,) = site_packages()
    shutil.copy(ROOT / "tools" / "ros_environment.py", site / f"{HOOK}.py")
    (site / f"{HOOK}.pth").write_text(f"import {HOOK}\n")
    link(VENV / "share/ament_index/resource_index/packages/m2r2_ros", ROOT / "resource/m2r2_ros")
    for folder in ("share/m2r2_ros", "lib/m2r2_ros"):
        shutil.rmtree(VENV / folder, ignore_errors=True)
    # `ros2 launch` does not look into folders that are links.
    for path in ["package.xml", "config", "models", "recordings", *launch_files()]:
        link(VENV / "share/m2r2_ros" / path, ROOT / path)
    for name in executables():
        link(VENV / "lib/m2r2_ros" / name, PYTHON.parent / name)


def launch_files() -> list[str]:
    return sorted(f"launch/{path.name}" for path in (ROOT / "launch").glob("*.launch.py"))


def executables() -> list[str]:
    query = (
        "from importlib.metadata import distribution as d;"
        "print(*(e.name for e in d('m2r2_ros').entry_points))"
    )
    return run([PYTHON, "-c", query]).stdout.split()


# Helpers


def say(message: str) -> None:
    print(f"prepare: {message}", flush=True)


def run(
    command: list[object], check: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command quietly; if it fails, show what it printed and raise PreparationError."""
    words = [str(word) for word in command]
    result = subprocess.run(words, capture_output=True, text=True, env=env)
    if check and result.returncode:
        sys.stderr.write(result.stdout + result.stderr)
        raise PreparationError(f"failed: {' '.join(words)}")
    return result


def pip(*arguments: object) -> None:
    run([PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments])


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def digest_of(paths: Iterable[Path]) -> str:
    content = hashlib.sha256()
    for path in paths:
        content.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return content.hexdigest()


def read_state() -> dict:
    try:
        return json.loads(STATE.read_text())
    except (OSError, ValueError):
        return {}


def write_state(state: dict) -> None:
    STATE.write_text(json.dumps(state, indent=2, sort_keys=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
