# SPDX-License-Identifier: Apache-2.0
"""The rules that keep a robot free of training code, and the package's own statements true."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from functools import cache
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
from m2r2_ros.datasets.reassemble_format import CAMERAS
from m2r2_ros.datasets.reassemble_rig import DEFAULT_TOPICS, FINGER_JOINTS
from m2r2_ros.inspection.skill_colours import SKILL_HUES
from m2r2_ros.labels import ACTIVITIES, NO_ACTION, OBJECTS

ROS = {"rclpy", "m2r2_msgs", "cv_bridge", "message_filters"}
TRAINING = {"torch", "onnx", "onnxscript", "transformers", "sentence_transformers", "tensorboard"}

# The rooms from the ground up: each may import those before it, and none after it.
ROOMS = (
    "errors",
    "small_files",
    "shipped",
    "descriptions",
    "vocabulary",
    "labels",
    "signal_presets",
    "parallel",
    "sensing",
    "messages",
    "inference",
    "hub",
    "datasets",
    "diagnosis",
    "planning",
    "nodes",
    "client",
    "offline",
    "evaluation",
    "label_formats",
    "annotation",
    "inspection",
    "viewing",
    "simulation",
    "networks",
    "training",
    "benchmarks",
    "experiments",
    "learning",
    "labelling",
    "cli",
)

# Beside that, which rooms may import ROS and which may import what only training needs.
WITH_ROS = {"nodes", "client", "benchmarks", "cli"}
WITH_TRAINING = {"networks", "training", "benchmarks", "experiments", "learning", "cli"}
# Images in unusual encodings go through cv_bridge where there is one.
WITH_CV_BRIDGE = {"messages"}

RUN_TIME = (
    "parallel",
    "sensing",
    "messages",
    "inference",
    "datasets",
    "diagnosis",
    "planning",
    "nodes",
    "client",
    "offline",
    "evaluation",
    "inspection",
    "cli",
)

# Lines.
LONGEST_FILE, LONGEST_FUNCTION = 450, 55

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


def own_rooms(names: set[str]) -> set[str]:
    """Rooms of this package that an import list reaches into."""
    parts = (name.split(".") for name in names)
    found = {part[1] for part in parts if part[0] == "m2r2_ros" and len(part) > 1}
    return found - {"__version__"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def all_modules() -> frozenset[str]:
    return frozenset(module_name(path) for path in python_files(PACKAGE))


def own_modules(names: set[str]) -> set[str]:
    """Modules of this package that an import list names, functions and classes cut off."""
    modules = all_modules()
    found = {name if name in modules else name.rpartition(".")[0] for name in names}
    return (found & modules) - {"m2r2_ros"}


def files_of(room: str) -> list[Path]:
    """The Python files of a room, which is a folder of the package or a module beside them."""
    folder = PACKAGE / room
    return python_files(folder) if folder.is_dir() else [folder.with_suffix(".py")]


def run_time_files() -> list[Path]:
    return [path for room in RUN_TIME for path in files_of(room)]


def run_time_packages() -> set[str]:
    """Third-party packages that run-time code imports; verbs may import training late."""
    found = set().union(*(top_level(imports(path.read_text())) for path in run_time_files()))
    return found - sys.stdlib_module_names - TRAINING - {"m2r2_ros"}


def declared_keys() -> set[str]:
    tree = ElementTree.parse(ROOT / "package.xml")
    return {element.text for kind in ("depend", "exec_depend") for element in tree.iter(kind)}


# Where nothing may know the labels and sensors of one data set.
ANY_DATA = (
    "sensing",
    "messages",
    "inference",
    "diagnosis",
    "planning",
    "nodes",
    "client",
    "offline",
    "evaluation",
    "viewing",
    "networks",
    "training",
)


def names_of_reassemble(text: str) -> set[str]:
    """Objects anywhere in a file; verbs, skills and its idle label where they are a text alone.

    In a sentence a verb is just English: "Remove and return the samples".
    """
    objects = "|".join(map(re.escape, OBJECTS))
    found = re.findall(rf"(?<![\w-])(?:{objects})(?![\w-])", text, re.I)
    verbs = "|".join((*ACTIVITIES, *map(str.lower, ACTIVITIES), NO_ACTION, *SKILL_HUES))
    return {*found, *re.findall(rf"""(?<=["'“])(?:{verbs})(?=["'”.])""", text)}


def test_names_of_reassemble_are_found():
    assert names_of_reassemble('x = ("insert", "the usb plug")') == {"insert", "usb"}
    assert names_of_reassemble("# REASSEMBLE's 'No action', D-SUB") == {"No action", "D-SUB"}
    assert not names_of_reassemble('"""Remove a frame; nobody is busby."""\nlist.insert(0, 1)')


@pytest.mark.parametrize("room", ANY_DATA)
def test_no_label_of_reassemble_is_known_where_labels_are_the_users(room):
    files = [path for path in (PACKAGE / room).rglob("*") if path.suffix in (".py", ".html")]
    assert {p.name: names for p in files if (names := names_of_reassemble(p.read_text()))} == {}


def test_every_folder_and_module_is_a_room_that_the_drawing_has():
    there = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    there |= {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert there == set(ROOMS)


def test_the_drawing_in_the_docs_has_every_room_in_this_order():
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    drawing = page.partition("## The rooms\n")[2].split("```")[1]
    assert re.findall(r"^(\w+)  ", drawing, re.M) == list(reversed(ROOMS))


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_downwards(room):
    above = set(ROOMS[ROOMS.index(room) + 1 :])
    for path in files_of(room):
        wrong = own_rooms(imports(path.read_text())) & above
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("room", ROOMS)
def test_ros_and_torch_stay_where_they_belong(room):
    forbidden = set() if room in WITH_ROS else set(ROS)
    forbidden -= {"cv_bridge"} if room in WITH_CV_BRIDGE else set()
    forbidden |= set() if room in WITH_TRAINING else TRAINING
    for path in files_of(room):
        wrong = top_level(imports(path.read_text())) & forbidden
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_no_two_modules_import_each_other_in_a_circle():
    graph = {
        module_name(path): own_modules(imports(path.read_text())) for path in python_files(PACKAGE)
    }
    order, open_ = [], []

    def visit(name: str) -> None:
        assert name not in open_, " -> ".join([*open_[open_.index(name) :], name])
        if name not in order:
            open_.append(name)
            for other in sorted(graph.get(name, ())):
                visit(other)
            order.append(open_.pop())

    for name in sorted(graph):
        visit(name)


def test_names_of_topics_between_nodes_are_written_once():
    names = re.compile(r"\"/?(m2r2/\w+|action_segment|/diagnostics)\"")
    found = {path.name for path in python_files(PACKAGE) if names.search(path.read_text())}
    assert found == {"output_topics.py"}


def test_suffixes_of_recordings_are_written_once():
    suffixes = re.compile(r"[\"'](\*?\.(h5|hdf5|mcap|db3))[\"'],")
    found = {path.name for path in python_files(PACKAGE) if suffixes.search(path.read_text())}
    assert found == {"recording_source.py"}


def test_a_class_has_a_name_of_its_own():
    places: dict[str, list[str]] = {}
    for path in python_files(PACKAGE):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_file_and_no_function_is_long():
    for path in python_files(PACKAGE):
        source = path.read_text()
        assert source.count("\n") <= LONGEST_FILE, path.relative_to(ROOT)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= LONGEST_FUNCTION, f"{path.relative_to(ROOT)}: {node.name}"


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
    nodes |= {"await_server", "result_recorder", "event_recorder"}
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


# What REASSEMBLE's sensors are called.
REASSEMBLE_SENSORS = {*DEFAULT_TOPICS.values(), *CAMERAS, *FINGER_JOINTS} - {"hand"}


@pytest.mark.parametrize("room", ANY_DATA)
def test_no_sensor_of_reassemble_is_named(room):
    """Docstrings and comments may explain by them; `hand` is a word, too."""
    for path in files_of(room):
        tree = ast.parse(path.read_text())
        texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
        assert not REASSEMBLE_SENSORS & {text for text in texts if isinstance(text, str)}, path


def test_every_file_names_its_licence():
    folders = (PACKAGE, *(ROOT / name for name in ("test", "launch", "tools", "examples")))
    for path in [ROOT / "setup.py", *python_files(*folders)]:
        first = path.read_text().partition("\n")[0]
        assert first == "# SPDX-License-Identifier: Apache-2.0", path.relative_to(ROOT)
