# SPDX-License-Identifier: Apache-2.0
"""The preparation: each step once, interrupted ones again, a clear line when something lacks."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from source_tree import ROOT

HOOK = ROOT / "tools" / "ros_environment.py"


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """tools/prepare.py with its environment in a temporary folder."""
    spec = importlib.util.spec_from_file_location("prepare", ROOT / "tools" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path)
    monkeypatch.setattr(module, "STATE", tmp_path / "prepared.json")
    monkeypatch.setattr(module, "ROS_DISTRO", "")
    return module


def test_a_step_is_done_once(prepare):
    done = []
    assert prepare.step("packages", "one", done.append)
    assert not prepare.step("packages", "one", done.append)
    assert prepare.step("packages", "two", done.append)
    assert len(done) == 2


def test_a_step_remembers_the_extras_of_earlier_calls(prepare):
    done = []
    prepare.step("packages", "one", done.append, ["train"])
    assert not prepare.step("packages", "one", done.append)
    prepare.step("packages", "one", done.append, ["test"])
    prepare.step("packages", "two", done.append)
    assert done == [["train"], ["test", "train"], ["test", "train"]]


def test_an_interrupted_step_is_done_again(prepare):
    def interrupted(_):
        raise KeyboardInterrupt

    done = []
    prepare.step("packages", "one", done.append, ["train"])
    with pytest.raises(KeyboardInterrupt):
        prepare.step("packages", "two", interrupted)
    # Not even the version before is intact now.
    assert prepare.step("packages", "one", done.append)
    assert done == [["train"], ["train"]]


def test_a_damaged_state_means_nothing_is_done(prepare):
    prepare.STATE.write_text('{"packages": {"dig')
    assert prepare.step("packages", "one", lambda _: None)


def test_the_wheels_cmake_files_are_pointed_at_this_machine(prepare, tmp_path, monkeypatch):
    path = tmp_path / "share" / "package" / "cmake" / "exports.cmake"
    path.parent.mkdir(parents=True)
    old = "/opt/python/cp312-cp312"
    numpy = f"{old}/lib/python3.12/site-packages/numpy/_core/include"
    path.write_text(f'set(include "${{prefix}}/include;{old}/include/python3.12;{numpy}")\n')
    monkeypatch.setattr(prepare, "PYTHON", sys.executable)
    prepare.point_wheels_here()
    text = path.read_text()
    assert "/opt/python" not in text
    folders = text.partition('"')[2].partition('"')[0].split(";")[1:]
    assert os.path.exists(os.path.join(folders[0], "Python.h"))
    assert os.path.isdir(os.path.join(folders[1], "numpy"))


def test_what_is_installed_is_compiled_once_and_on_all_cores(prepare, tmp_path, monkeypatch):
    """By this interpreter: a package of two modules, one of them a template that is no Python."""
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    ran, plain = [], prepare.run

    def run(command, **options):
        ran.append([str(word) for word in command])
        if "pip" in ran[-1]:
            (site / "package").mkdir(parents=True, exist_ok=True)
            (site / "package" / "module.py").write_text("x = 1\n")
            (site / "package" / "template.py").write_text("x = {{ value }\n")
            return None
        return plain(command, **options)

    monkeypatch.setattr(prepare, "PYTHON", sys.executable)
    monkeypatch.setattr(prepare, "run", run)
    prepare.install_packages(["test"])
    (wanted,) = (words for words in ran if "-e" in words)
    assert "--no-compile" in wanted and wanted[-1].endswith("[ros,test]")
    compiled = (site / "package" / "__pycache__").iterdir()
    assert [path.name.partition(".")[0] for path in compiled] == ["module"]


@pytest.mark.parametrize("is_installed", [True, False])
def test_pip_registers_once(prepare, tmp_path, monkeypatch, is_installed):
    """New verbs are installed by it, unless that was done with the packages."""
    asked = []
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    monkeypatch.setattr(prepare, "pip", lambda *words: asked.append(words))
    monkeypatch.setattr(prepare, "PYTHON", Path(sys.executable))
    prepare.register_package([], is_installed)
    assert len(asked) == (not is_installed)
    linked = {path.name for path in (tmp_path / "lib" / "m2r2_ros").iterdir()}
    assert linked == set(prepare.executables()) and "segment" in linked
    assert (site / f"{prepare.HOOK}.py").read_bytes() == HOOK.read_bytes()


def test_a_sourced_ros_keeps_its_numpy(prepare, monkeypatch):
    answer = subprocess.CompletedProcess([], 0, stdout="1.26.4\n", stderr="")
    monkeypatch.setattr(prepare, "run", lambda *_, **__: answer)
    lines = prepare.constraints_for_sourced_ros().read_text().splitlines()
    assert [line for line in lines if line.startswith("numpy")] == ["numpy==1.26.4"]
    assert any(line.startswith("onnxruntime==") for line in lines)


def test_a_sourced_ros_for_another_python_is_one_clear_line(prepare, monkeypatch):
    answer = subprocess.CompletedProcess([], 1, stdout="", stderr="Traceback\nError: no rclpy")
    monkeypatch.setattr(prepare, "ROS_DISTRO", "jazzy")
    monkeypatch.setattr(prepare, "run", lambda *_, **__: answer)
    with pytest.raises(prepare.PreparationError, match=r"ROS 2 jazzy .*no rclpy.*PYTHON=") as error:
        prepare.constraints_for_sourced_ros()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("system, machine", [("linux", "aarch64"), ("darwin", "arm64")])
def test_machines_without_wheels_are_told_to_source_ros(prepare, monkeypatch, system, machine):
    monkeypatch.setattr(prepare.sys, "platform", system)
    monkeypatch.setattr(prepare.platform, "machine", lambda: machine)
    with pytest.raises(prepare.PreparationError, match=f"x86-64, .*{machine}.*source"):
        prepare.check_machine()
    monkeypatch.setattr(prepare, "ROS_DISTRO", "jazzy")
    prepare.check_machine()


def test_a_missing_compiler_is_named(prepare, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(prepare.PreparationError, match=r"no c\+\+ found: install"):
        prepare.check_machine()


def test_a_failing_command_shows_what_it_printed(prepare, capsys):
    with pytest.raises(prepare.PreparationError, match="failed: "):
        prepare.run([sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"])
    assert "the reason" in capsys.readouterr().err


def test_the_hook_appends_its_paths_once_and_keeps_overlays_first(tmp_path):
    """The hook is imported the way the .pth does it, in an interpreter that lacks the paths."""
    program = (
        f"import sys; sys.path.insert(0, {str(HOOK.parent)!r}); import ros_environment, os\n"
        "print(os.environ['AMENT_PREFIX_PATH'])\n"
        "print(os.environ['LD_LIBRARY_PATH'])"
    )
    environment = {**os.environ, "AMENT_PREFIX_PATH": "/overlay", "LD_LIBRARY_PATH": "/overlay/lib"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    ament, libraries = (line.split(":") for line in result.stdout.splitlines())
    assert ament == ["/overlay", sys.prefix]
    assert libraries[:2] == ["/overlay/lib", f"{sys.prefix}/lib"]
    assert len(set(libraries)) == len(libraries)
