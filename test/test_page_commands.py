# SPDX-License-Identifier: Apache-2.0
"""Every command of a page is run on small data, or a table says where else or why not."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from foreign_features import write_kitchen
from lab_bags import ARMS, write_bag
from pages import INDENTED, PAGES, blocks, commands, name_of
from recordings import recording
from source_tree import ROOT
from tiny_models import write_encoder

from m2r2_ros.cli.convert import convert
from m2r2_ros.cli.main import main
from m2r2_ros.datasets.labels_file import write_labels
from m2r2_ros.datasets.reassemble import epoch_ns
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.recording_labels import Label, RecordingLabels
from m2r2_ros.sensing.layout_file import load_layout

# A page -> the test that runs all of its commands.
WHOLE_PAGES = {
    "docs/tutorials/afternoon.md": (
        "test/nodes/test_afternoon.py::test_every_command_of_the_page_leads_to_the_next"
    ),
    "docs/tutorials/other_robot.md": (
        "test/nodes/test_other_robot.py::test_what_is_live_is_what_was_segmented"
    ),
    "docs/tutorials/planner.md": (
        "test/nodes/test_planner_page.py::test_the_supervisor_reacts_to_a_failed_insertion"
    ),
}
# How a command begins -> the test that does the same.
ELSEWHERE = {
    "make docs": "test/test_docs_site.py::test_every_link_and_anchor_leads_somewhere",
    "python3 -m m2r2_ros.nodes.online": (
        "test/nodes/test_online.py::test_late_joiner_reset_and_sigterm"
    ),
    "python3 examples/planner.py --ros-args -p use_sim_time": (
        "test/nodes/test_online.py::test_late_joiner_reset_and_sigterm"
    ),
    "m2r2 segment recordings/taskboard_demo.h5 --models models/taskboard_compact": (
        "test/test_pages.py::test_the_six_lines_of_the_readme_run"
    ),
    "m2r2 segment $share/": "test/test_release.py::test_what_pip_installs_segments_a_recording",
    "m2r2 replay out/demo/taskboard_demo": (
        "test/nodes/test_online.py::test_late_joiner_reset_and_sigterm"
    ),
    "m2r2 extract reassemble": "test/cli/test_extract.py::test_test_recordings_can_be_named",
    "m2r2 inspect reassemble": "test/cli/test_inspect.py::test_folder_becomes_a_card",
    "m2r2 pretrain --encoder m2r2 --config config/training/m2r2_paper.yaml": (
        "test/training/test_paper_configuration.py::test_the_papers_model_with_fewer_layers"
    ),
    "make demo": (
        "test/test_demo.py::test_published_segments_are_scored_drawn_and_equal_the_offline_ones"
    ),
    "ln -s m2r2_ros": (
        "test/test_colcon.py::test_the_link_lets_the_habitual_commands_find_both_packages"
    ),
    "colcon build": "test/test_colcon.py::test_every_executable_is_where_ros2_run_looks",
    "ros2 launch m2r2_ros online_segmentation.launch.py config:=": (
        "test/test_launch_files.py::test_online_launch_plays_a_bag_and_ends"
    ),
    ".venv/bin/python -m m2r2_ros.nodes.online": (
        "test/nodes/test_online.py::test_the_nodes_start_as_the_page_says"
    ),
    "m2r2 convert reassemble/": (
        "test/datasets/test_convert.py::test_a_folder_stands_for_the_recordings_in_it"
    ),
    "m2r2 convert episodes": (
        "test/datasets/test_array_import.py::test_many_files_go_on_where_they_were"
    ),
    "m2r2 convert old/": "test/datasets/test_ros1_bag.py::test_topics_stamps_and_values",
    "m2r2 reproduce table": (
        "test/cli/test_reproduce.py::test_the_table_has_every_cell_of_both_test_splits"
    ),
    "m2r2 reproduce roboact": (
        "test/training/test_roboact_pretraining.py::"
        "test_one_command_compares_the_ablations_and_does_nothing_twice"
    ),
    "m2r2 imitate": (
        "test/experiments/imitation/test_imitation.py::"
        "test_one_command_compares_encoders_and_goes_on_where_it_was"
    ),
    "m2r2 simulate --recipe taskboard_sim_v1 --out data/taskboard_sim --workers": (
        "test/simulation/test_taskboard_generate.py::test_a_killed_run_is_completed_to_the_same_data_set"
    ),
    "m2r2 simulate --recipe taskboard_sim_v1 --out data/taskboard_sim --verify": (
        "test/simulation/test_taskboard_generate.py::"
        "test_verifying_finds_a_changed_label_a_missing_file_and_a_changed_manifest"
    ),
    "m2r2 pretrain --encoder m2r2 --config config/training/m2r2_roboact_taskboard.yaml": (
        "test/training/test_roboact_image_token.py::test_the_exported_graph_gives_what_was_trained"
    ),
    "m2r2 export out/both": (
        "test/training/test_roboact_image_token.py::test_the_exported_graph_gives_what_was_trained"
    ),
    "m2r2 pretrain --encoder m2r2 --data bags --out out/two_arms": (
        "test/training/test_declared_signals.py::test_the_encoder_says_what_it_was_trained_on"
    ),
    "m2r2 export out/two_arms": (
        "test/training/test_declared_signals.py::test_live_windows_and_features_are_the_offline_ones"
    ),
    "m2r2 record --config robot.yaml --out demonstrations --vocabulary": (
        "test/nodes/test_record.py::test_keys_at_a_terminal_start_stop_and_mark"
    ),
    "m2r2 record --config robot.yaml --out demonstrations --joy": (
        "test/nodes/test_record.py::test_a_button_starts_and_stops"
    ),
    "m2r2 record --config robot.yaml --out demonstrations --seconds": (
        "test/nodes/test_record.py::test_a_take_of_some_seconds_needs_nobody"
    ),
    "m2r2 doctor --write": (
        "test/nodes/test_graph_survey.py::test_the_written_file_starts_the_node"
    ),
    "m2r2 doctor --config": (
        "test/nodes/test_graph_survey.py::test_the_written_file_starts_the_node"
    ),
    "m2r2 doctor my_bag": (
        "test/diagnosis/test_doctor.py::test_the_written_file_gives_the_segments_of_the_right_one"
    ),
    "m2r2 publish": ("test/hub/test_publish.py::test_what_is_published_comes_back_by_name"),
    "m2r2 segment my_bag --models my_lab": ("test/hub/test_fetch.py::test_a_command_takes_a_name"),
    "m2r2 learn": "test/learning/test_learn.py::test_no_fold_has_seen_what_it_is_scored_on",
    "m2r2 segment demonstrations/take_07": (
        "test/learning/test_learn.py::test_what_was_scored_is_what_the_folds_models_publish"
    ),
    "m2r2 label": (
        "test/labelling/test_label_server.py::"
        "test_labels_are_written_beside_the_recording_which_stays_as_it_is"
    ),
    "m2r2 view --": "test/nodes/test_view_live.py::test_a_robot_is_shown_while_somebody_looks",
    "m2r2 view": (
        "test/viewing/test_foxglove_view.py::test_channels_and_messages_are_what_the_schemas_say"
    ),
    "m2r2 annotate lerobot_set": (
        "test/annotation/test_lerobot_language.py::test_the_command_writes_a_list_of_clips"
    ),
    "m2r2 bench": "test/benchmarks/test_benchmarks.py::test_latency_under_a_short_load",
    ".venv/bin/python test/annotation/task_texts.py": (
        "test/annotation/test_task_texts.py::test_the_table_of_the_page_is_what_the_texts_give"
    ),
}
# How a command begins -> why no test runs it.
NOT_HERE = {
    "share=": "names the folder for the line after it",
    "make setup-dev": "downloads for minutes; who runs the tests has run it",
    "make test": "runs these tests",
    "make lint": "is the first step of `make test`",
    "cd ": "is about a workspace of a sourced ROS, as are the next five",
    "git clone": "downloads",
    "python3 -m venv": "needs a sourced ROS",
    "touch .venv": "needs a sourced ROS",
    "source ": "needs a sourced ROS",
    "pip install": "downloads",
    "rosdep": "needs a sourced ROS and downloads",
    "ros2 run diagnostic_aggregator": "PyPI has no diagnostic_aggregator",
    "ros2 trace": "the wheels have no `ros2`",
    "ros2 topic": "the wheels have no `ros2`",
    "ros2 action": "the wheels have no `ros2`; test/nodes/test_await_server.py sends the goals",
    "ros2 service": "the wheels have no `ros2`",
    "ros2 lifecycle": "the wheels have no `ros2`",
    "ros2 param": "the wheels have no `ros2`",
    "ros2 security": "the wheels have no `ros2`, and their DDS no security",
    "ros2 launch m2r2_ros online_segmentation.launch.py enclave:=": "needs a DDS with security",
    "export ROS_": "is for the security commands around it",
    "for node in": "the wheels have no `ros2`; test/nodes/test_pause.py calls the same services",
    "for enclave in": "is for the security commands around it",
    "done": "is for the security commands around it",
    "python3 examples/planner.py --ros-args --enclave": "needs a DDS with security",
    "ROS_SECURITY_ENCLAVE_OVERRIDE": "needs a DDS with security",
    "m2r2 replay my_bag --enclave": "needs a DDS with security",
    "python -m pytest -m soak": "takes an hour",
    "m2r2 simulate --out": "takes minutes; the small ones are in test/simulation",
    "cp out/demo-recording": "copies what takes minutes to simulate",
}
# The same commands with settings that take seconds instead of hours.
CLIP = "tiny_clip"
SMALL_HEAD = {"model": {"channels": 4, "layers": 2}, "optimiser": {"epochs": 1}}
SMALL = {
    "m2r2": {
        "model": {
            "feature_dimension": 8,
            "heads": 2,
            "image_size": 32,
            "image_stages": 3,
            "image_cells": 2,
            "audio_width": 8,
        },
        "window": {"samples": 6, "padding": 2},
        "optimiser": {"epochs": 1, "batch_size": 2},
        "fusion_layers": 1,
        "imagenet": False,
        "sentence_encoder": f"clip:{CLIP}",
        "windows_per_epoch": 2,
    },
    "roboact": {
        "cameras": ["hand"],
        "clip": CLIP,
        "model": {"frames": 4, "width": 8, "layers": 1, "heads": 2},
        "optimiser": {"epochs": 1, "batch_size": 2},
    },
    **dict.fromkeys(("causal", "asrf", "mstcn"), SMALL_HEAD),
}


def write_recordings(folder: Path, *names: str) -> None:
    for name in names:
        data = recording(3.0, name)
        data.actions[:] = [
            Action(0.0, 1.0, "No action."),
            Action(1.0, 2.0, "Pick USB."),
            Action(2.0, 2.9, "Insert USB."),
        ]
        write_recording(folder / f"{name}.h5", data)


def write_descriptions(folder: Path) -> None:
    (folder / "descriptions.csv").write_text("video,description\na.mp4,Push the box\n")
    task = {"task_0001": {"task_description_english": "Turn on the desk lamp"}}
    scene = folder / "RH20T" / "RH20T_cfg3" / "task_0001_user_0001_scene_0001_cfg_0003"
    (scene / "cam_1").mkdir(parents=True)
    (scene / "cam_1" / "color.mp4").touch()
    (folder / "RH20T" / "task_description.json").write_text(json.dumps(task))
    write_recordings(folder / "recordings", "a")


def write_board(folder: Path) -> None:
    for split in ("train", "validation", "test"):
        part = folder / "data" / "taskboard_sim" / split
        write_recordings(part, f"{split}-1", f"{split}-2")
        # What `m2r2 simulate` leaves in each split.
        (part / "recipe.json").write_text('{"version": 7}')


def write_two_arms(folder: Path) -> None:
    """Bags of two arms without pads and cameras, and an encoder for both."""
    write_bag(folder / "bags" / "first", ARMS, 0)
    write_bag(folder / "bags" / "second", ARMS, 1)
    topics = {f"topics.{name}": topic for name, topic in ARMS.modalities.items()}
    parameters = {"/**": {"ros__parameters": topics}}
    (folder / "robot.yaml").write_text(yaml.safe_dump(parameters))
    layout = load_layout(ROOT / "config" / "layouts" / "two_arms.yaml")
    write_encoder(folder / "my_models" / "encoder.onnx", layout)


def write_named_actions(folder: Path) -> None:
    """The page's own file, a recording under its name, and the simulated board's splits."""
    (robot,) = (text for kind, text in blocks(ROOT / "docs" / "roboact.md") if kind == "yaml")
    (folder / "robot.yaml").write_text(robot)
    write_recordings(folder / "data" / "board", "taskboard-001000", "taskboard-001001")
    write_board(folder)


def write_kitchens(folder: Path) -> None:
    """Small folders with the labels, groups and faults that the well-known ones have."""
    groups = {f"rgb-{number:02d}": f"person {number // 2}" for number in range(6)}
    for name, idle, rate_hz in (
        ("50salads", "action_start", 30),
        ("gtea", "background", 15),
        ("breakfast", "SIL", 15),
    ):
        write_kitchen(folder / name, rate_hz, groups=groups, idle=idle)
    (folder / "50salads" / "mapping.txt").open("a").write("4 action_end\n")
    truth = folder / "breakfast" / "groundTruth" / "rgb-01.txt"
    truth.write_text(truth.read_text() + "SIL\n")


def write_own(folder: Path) -> None:
    write_recordings(folder, "2025-01-10-15-28-50")
    write_recordings(folder / "my_recordings", "a", "b", "c")


def write_labelled_bag(folder: Path) -> None:
    write_recordings(folder, "take_1")
    convert(folder / "take_1.h5", folder / "bags")
    start_ns = epoch_ns("take_1")
    labels = (Label(start_ns + 10**8, start_ns + 10**9, "Pick USB"),)
    write_labels(folder / "bags/take_1.labels.json", RecordingLabels(start_ns, labels))


# Page -> what its commands are given. Shipped files are there anyway.
GIVEN: dict[str, Callable[[Path], None]] = {
    "README.md": write_own,
    "docs/annotation.md": write_descriptions,
    "docs/dataset.md": write_board,
    "docs/labels.md": write_labelled_bag,
    "docs/feature_folders.md": write_kitchens,
    "docs/roboact.md": write_named_actions,
    "docs/sensors.md": write_two_arms,
    "docs/training.md": lambda folder: write_recordings(folder / "data" / "taskboard", "a", "b"),
}


def plain(command: str) -> str:
    """As one types it with the environment active."""
    return re.sub(r"^\.venv/bin/m2r2", "m2r2", command)


def entry_of(command: str, table: dict[str, str]) -> str | None:
    return next((start for start in table if plain(command).startswith(start)), None)


def to_run(page: Path) -> list[str]:
    """What no table excuses, and no earlier page has, either."""
    if name_of(page) in WHOLE_PAGES:
        return []
    earlier = {c for other in PAGES[: PAGES.index(page)] for c in commands(other)}
    given = (c for c in commands(page) if c not in earlier)
    return [plain(c) for c in given if not (entry_of(c, ELSEWHERE) or entry_of(c, NOT_HERE))]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """An empty folder with what ships, where commands may write."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    for name in ("models", "recordings"):
        (tmp_path / name).mkdir()
        for there in (ROOT / name).iterdir():
            (tmp_path / name / there.name).symlink_to(there)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def with_small_settings(words: list[str]) -> list[str]:
    if words[1:3] == ["reproduce", "real"]:
        stages = {"encoders": {}, "heads": {row: SMALL[row] for row in ("mstcn", "asrf", "causal")}}
        return [*words, "--config", written(Path("small_stages.yaml"), stages)]
    kind = next((words[words.index(f) + 1] for f in ("--head", "--encoder") if f in words), "")
    if kind not in SMALL:
        return words
    if CLIP in json.dumps(SMALL[kind]) and not Path(CLIP).exists():
        from tiny_clip import write_clip  # Needs torch.

        write_clip(Path(CLIP))
    small, words = dict(SMALL[kind]), list(words)
    if "--config" in words:
        place = words.index("--config")
        small["extends"] = str(Path(words[place + 1]).resolve())
        del words[place : place + 2]
    elif kind == "m2r2":
        # An export takes its time for each sensor, the longest for sound and cameras.
        small["layout"] = {"cameras": ["hama1"], "audio": False, "signals": ["wrench", "gripper"]}
    return [*words, "--config", written(Path(f"small_{kind}.yaml"), small)]


def written(file: Path, settings: dict) -> str:
    file.write_text(yaml.safe_dump(settings))
    return str(file)


@pytest.mark.parametrize("page", [page for page in PAGES if to_run(page)], ids=name_of)
def test_the_commands_of_a_page_run(page, place):
    """Each gives what the next one needs."""
    pytest.importorskip("torch").set_num_threads(1)
    GIVEN.get(name_of(page), lambda folder: None)(place)
    for command in to_run(page):
        program, *words = with_small_settings(shlex.split(command))
        assert program == "m2r2", f"{command}: run it here, or say in a table why not"
        assert main(words) == 0, command


def test_a_command_that_nobody_knows_would_be_noticed():
    assert not entry_of("ros2 bag play x", NOT_HERE) and not entry_of("make figures", ELSEWHERE)


@pytest.mark.parametrize("table", [ELSEWHERE, NOT_HERE], ids=["elsewhere", "not here"])
def test_every_entry_is_of_a_command_that_a_page_has(table):
    given = [command for page in PAGES for command in commands(page)]
    assert set(table) == {entry_of(command, table) for command in given} - {None}


@pytest.mark.parametrize("test", sorted({*ELSEWHERE.values(), *WHOLE_PAGES.values()}))
def test_the_tests_that_are_named_are_there(test):
    file, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text("utf-8"), re.M)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_block_is_of_a_kind_that_something_checks(page):
    """Commands have no language; test_pages runs the Python, the others are read or drawn."""
    assert {language for language, _ in blocks(page)} <= {"", "python", "yaml", "text", "bibtex"}
    assert not INDENTED.findall(page.read_text("utf-8"))
