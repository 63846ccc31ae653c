# SPDX-License-Identifier: Apache-2.0
"""A release: one version, packages that ROS's tools can read, an archive from which pip builds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml
from recordings import recording
from source_tree import ROOT, setup_arguments

from m2r2_ros import __version__
from m2r2_ros.datasets.reassemble_writer import write_recording

PACKAGES = (ROOT, ROOT / "m2r2_msgs")
# What pip reads of the repository.
SOURCES = ("config", "launch", "m2r2_msgs", "m2r2_ros", "models", "recordings", "resource")


def test_there_is_one_version():
    """`catkin_prepare_release` writes it into both package.xml and setup.py."""
    manifest = pytest.importorskip("catkin_pkg.package")
    versions = {manifest.parse_package(folder).version for folder in PACKAGES}
    assert versions == {__version__} == {setup_arguments()["version"]}
    assert len(re.findall(r'version="\d+\.\d+\.\d+",', (ROOT / "setup.py").read_text())) == 1


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_a_package_is_what_ros_can_release(folder):
    manifest = pytest.importorskip("catkin_pkg.package")
    warnings: list[str] = []
    package = manifest.parse_package(folder, warnings=warnings)
    package.validate(warnings=warnings)
    assert warnings == [] and [licence.file for licence in package.licenses] == ["LICENSE"]
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    forthcoming = pytest.importorskip("catkin_pkg.package_version").get_forthcoming_label
    assert forthcoming((folder / "CHANGELOG.rst").read_text("utf-8")) == "Forthcoming"


def test_the_interfaces_need_what_they_import():
    """Each package of a field's type is in package.xml and in CMakeLists.txt, and no other is."""
    definitions = [path for path in (ROOT / "m2r2_msgs").glob("*/*.*") if path.suffix != ".py"]
    text = "\n".join(path.read_text("utf-8") for path in definitions)
    imported = set(re.findall(r"^(\w+)/\w+(?:\[\d*\])? \w+", text, re.M))
    manifest = (ROOT / "m2r2_msgs" / "package.xml").read_text("utf-8")
    recipe = (ROOT / "m2r2_msgs" / "CMakeLists.txt").read_text("utf-8")
    # Every action has a goal id and a status of action_msgs.
    assert set(re.findall(r"<depend>(\w+)<", manifest)) == imported | {"action_msgs"}
    assert set(re.findall(r"DEPENDENCIES (.*)", recipe)[0].split()) == imported | {"action_msgs"}
    listed = set(re.findall(r'^  "(.*)"$', recipe, re.M))
    assert listed == {f"{path.parent.name}/{path.name}" for path in definitions}


def test_workflows_say_that_they_have_not_run():
    for path in (ROOT / ".github" / "workflows").iterdir():
        assert "NOT RUN" in path.read_text("utf-8")
        ros = yaml.safe_load(path.read_text("utf-8"))["jobs"]["ros"]["strategy"]["matrix"]
        assert {machine.endswith("arm") for machine in ros["machine"]} == {True, False}
        assert "humble" not in ros["distribution"] and "jazzy" in ros["distribution"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A virtual environment into which pip has installed a source archive, by way of a wheel.

    The packages that it needs are those of this environment.
    """
    folder = tmp_path_factory.mktemp("release")
    source = folder / "source"
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, copy_function=os.symlink)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    archive = [sys.executable, "setup.py", "-q", "sdist", "--dist-dir", str(folder)]
    subprocess.run(archive, cwd=source, check=True, capture_output=True)
    venv.create(folder / "env")
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"))
    (found,) = folder.glob("*.tar.gz")
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--no-compile", "-q"]
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "env" / "bin" / "python")]
    subprocess.run([*pip, "install", *options, str(found)], check=True, capture_output=True)
    return folder / "env"


def test_what_pip_installs_segments_a_recording(installed, tmp_path):
    data = recording(3.0, "a")
    write_recording(tmp_path / "a.h5", data)
    share = installed / "share" / "m2r2_ros"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    models = ["--models", str(share / "models" / "taskboard_compact")]
    config = ["--config", str(share / "config" / "reassemble.yaml")]
    command = [installed / "bin" / "m2r2", "segment", "a.h5", "--json", "s.json", *models, *config]
    made = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert json.loads((tmp_path / "s.json").read_text())


def test_what_ships_is_all_installed(installed):
    """Byte for byte, beside the modules and in share/."""
    (package,) = installed.glob("lib/python*/site-packages/m2r2_ros")
    sources = [
        *((path, installed / "share/m2r2_ros" / path.relative_to(ROOT)) for path in shared()),
        *((path, package / path.relative_to(ROOT / "m2r2_ros")) for path in modules()),
    ]
    assert len(sources) > 400
    assert [path for path, there in sources if path.read_bytes() != there.read_bytes()] == []


def shared() -> list[Path]:
    folders = (ROOT / name for name in ("config", "launch", "models", "recordings"))
    found = (path for folder in folders for path in folder.rglob("*"))
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def modules() -> list[Path]:
    """Modules and what they open beside them; of the label page its bundle is installed."""
    package = ROOT / "m2r2_ros"
    left_out = {"__pycache__", "page", "node_modules"}
    found = (path for path in package.rglob("*") if path.is_file())
    return [path for path in found if not left_out.intersection(path.relative_to(package).parts)]
