# SPDX-License-Identifier: Apache-2.0
"""The rules that keep a robot free of training code, and the package's own statements true."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import chain
from pathlib import Path

import pytest
from source_tree import (
    PACKAGE,
    ROOT,
    calls,
    executables,
    imports,
    python_files,
    setup_arguments,
    top_level,
)

from m2r2_ros import __version__
from m2r2_ros.cli.main import verbs

ROS = {"rclpy", "m2r2_msgs", "cv_bridge", "message_filters"}
TRAINING = {"torch", "onnx", "onnxscript", "transformers", "sentence_transformers", "tensorboard"}

# Folder -> what it may not import, packages and own folders alike.
FORBIDDEN = {
    "sensing": ROS
    | TRAINING
    | {"inference", "nodes", "datasets", "networks", "training", "policies", "cli"},
    "inference": ROS | TRAINING | {"nodes", "datasets", "networks", "training", "policies", "cli"},
    "messages": ROS - {"cv_bridge"}
    | TRAINING
    | {"nodes", "networks", "training", "policies", "cli"},
    "nodes": TRAINING | {"networks", "training", "policies", "cli"},
    "datasets": ROS | TRAINING | {"nodes", "networks", "training", "policies", "cli"},
    "evaluation": ROS
    | TRAINING
    | {"nodes", "networks", "training", "baselines", "policies", "cli"},
    "annotation": ROS
    | TRAINING
    | {"nodes", "networks", "training", "baselines", "policies", "cli"},
    "baselines": ROS | TRAINING | {"nodes", "networks", "training", "policies", "cli"},
    "networks": ROS | {"nodes", "datasets", "training", "policies", "cli"},
    "training": ROS | {"nodes", "policies", "cli"},
    "policies": ROS | {"nodes", "baselines", "cli"},
}

# Benchmarks measure the nodes themselves.
UNRULED = PACKAGE / "evaluation" / "benchmarks"

RUN_TIME = ("sensing", "messages", "inference", "nodes", "datasets", "evaluation", "cli")
# Simulation is installed on request only.
SIMULATION = PACKAGE / "datasets" / "taskboard"

# Third-party package -> its key in rosdep's lists (None where there is none), its name for pip.
PYTHON_PACKAGES = {
    "PIL": ("python3-pil", "pillow"),
    "av": (None, "av"),
    "h5py": ("python3-h5py", "h5py"),
    "jinja2": ("python3-jinja2", "jinja2"),
    "matplotlib": ("python3-matplotlib", "matplotlib"),
    "numpy": ("python3-numpy", "numpy"),
    "onnxruntime": ("python3-onnxruntime-pip", "onnxruntime"),
    "rosbags": ("python3-rosbags-pip", "rosbags"),
    "sounddevice": ("python3-sounddevice-pip", "sounddevice"),
    "soxr": (None, "soxr"),
    "tokenizers": (None, "tokenizers"),
    "tqdm": ("python3-tqdm", "tqdm"),
    "yaml": ("python3-yaml", "pyyaml"),
}


def own_folders(names: set[str]) -> set[str]:
    """Folders of this package that an import list reaches into."""
    parts = (name.split(".") for name in names)
    return {part[1] for part in parts if part[0] == "m2r2_ros" and len(part) > 1}


def run_time_files() -> list[Path]:
    files = python_files(*(PACKAGE / folder for folder in RUN_TIME))
    return [path for path in files if SIMULATION not in path.parents]


def run_time_packages() -> set[str]:
    """Third-party packages that run-time code imports; verbs may import training late."""
    found = set().union(*(top_level(imports(path.read_text())) for path in run_time_files()))
    return found - sys.stdlib_module_names - TRAINING - {"m2r2_ros"}


def declared_keys() -> set[str]:
    tree = ElementTree.parse(ROOT / "package.xml")
    return {element.text for kind in ("depend", "exec_depend") for element in tree.iter(kind)}


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_point_one_way(folder):
    files = [path for path in python_files(PACKAGE / folder) if UNRULED not in path.parents]
    assert files, f"m2r2_ros/{folder} is empty"
    for path in files:
        names = imports(path.read_text())
        wrong = (top_level(names) | own_folders(names)) & FORBIDDEN[folder]
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_robot_code_loads_where_neither_torch_nor_ros_is_installed():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in python_files(PACKAGE / "sensing", PACKAGE / "inference")
    ]
    blocked = sorted(ROS | TRAINING)
    program = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({blocked}))\n"
        f"for name in {modules}: importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.mark.ros
def test_nodes_load_no_training_code():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in python_files(PACKAGE / "nodes")
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        f"print(*sorted(sys.modules.keys() & {TRAINING}))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True, text=True
    )
    assert result.stdout.split() == []


def test_package_xml_declares_what_run_time_code_imports():
    source = (ROOT / "package.xml").read_text()
    declared = declared_keys()
    for package in sorted(run_time_packages()):
        key, pip_name = PYTHON_PACKAGES.get(package, (package, None))
        if key is None:
            assert re.search(rf"no rosdep key.*\b{pip_name}\b", source), f"{pip_name} is not named"
        else:
            assert key in declared, f"package.xml lacks {key} for 'import {package}'"


def test_package_xml_declares_no_python_package_that_nothing_imports():
    known = {key: package for package, (key, _) in PYTHON_PACKAGES.items() if key}
    used = run_time_packages()
    assert {key for key in declared_keys() & known.keys() if known[key] not in used} == set()


def test_pip_installs_what_run_time_code_imports():
    required = {re.split("[<>=]", line)[0] for line in setup_arguments()["install_requires"]}
    used = {PYTHON_PACKAGES[name][1] for name in run_time_packages() & PYTHON_PACKAGES.keys()}
    assert used == required


def test_every_pinned_requirement_can_be_met():
    """Each requirement of setup.py has a version in the one file that pins them."""
    pins = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    arguments = setup_arguments()
    requirements = chain(arguments["install_requires"], *arguments["extras_require"].values())
    assert {re.split(r"[<>=[]", line)[0].lower() for line in requirements} <= pins


def test_versions_agree():
    def version_of(folder):
        return ElementTree.parse(folder / "package.xml").findtext("version")

    assert version_of(ROOT) == version_of(ROOT / "m2r2_msgs") == __version__
    assert setup_arguments()["version"] == __version__


def test_every_executable_leads_to_a_function():
    for name, (module, function) in executables().items():
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        assert path.is_file(), f"{name} leads to {module}, which is not there"
        definitions = ast.parse(path.read_text()).body
        functions = {node.name for node in definitions if isinstance(node, ast.FunctionDef)}
        assert function in functions, f"{name} leads to {module}.{function}, which is not there"


def test_every_verb_and_every_node_has_an_executable():
    nodes = {"synchronizer", "feature_extractor", "segmenter", "microphone", "replayer", "online"}
    assert executables().keys() == {"m2r2", *verbs(), *nodes}


def unsafe(source: str) -> list[str]:
    """What a source text does that could run code hidden in data."""
    pickles = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
    found = sorted(top_level(imports(source)) & pickles)
    for name, keywords in calls(source):
        allowed = keywords.get("allow_pickle")
        weights = keywords.get("weights_only")
        if name in {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}:
            found.append(name)
        if name.endswith("load") and allowed and ast.unparse(allowed) != "False":
            found.append(f"{name}(allow_pickle)")
        if name == "torch.load" and (not weights or ast.unparse(weights) != "True"):
            found.append("torch.load without weights_only=True")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "numpy.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
    ],
)
def test_unsafe_loading_is_recognised(source):
    assert unsafe(source)


def test_nothing_loads_code_from_data():
    for path in python_files(PACKAGE):
        assert not unsafe(path.read_text()), path.relative_to(ROOT)


def test_robot_code_never_calls_torch():
    for path in run_time_files():
        assert not [name for name, _ in calls(path.read_text()) if name.startswith("torch.")], path


def test_every_file_names_its_licence():
    folders = (PACKAGE, *(ROOT / name for name in ("test", "launch", "tools", "examples")))
    for path in [ROOT / "setup.py", *python_files(*folders)]:
        first = path.read_text().partition("\n")[0]
        assert first == "# SPDX-License-Identifier: Apache-2.0", path.relative_to(ROOT)
