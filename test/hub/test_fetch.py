# SPDX-License-Identifier: Apache-2.0
"""Models by name: what is fetched, what is refused, and what is said without a network."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import TOKEN, FakeHub, move
from hypothesis import given, settings
from hypothesis import strategies as st
from source_tree import ROOT
from tiny_models import write_models

from m2r2_ros.errors import M2R2Error
from m2r2_ros.hub.library import library, troubles, why
from m2r2_ros.hub.models_folder import encoder_file, models_folder
from m2r2_ros.hub.name import HubName
from m2r2_ros.inference.models import Models
from m2r2_ros.nodes.parameters import given_models
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.shipped import shipped

NAME = "lab/pick"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A models folder's content with its list."""
    layout = SensorLayout(cameras=(), audio=False, signals=("gripper",))
    folder = write_models(tmp_path_factory.mktemp("models"), layout)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {**content, "models.sha256": digests(content), "model_card.md": b"# pick\n"}


def digests(content: dict[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in content.items())
    return "".join(lines).encode()


def fetched(given: str) -> tuple[Path, list[str]]:
    said: list[str] = []
    return models_folder(given, said.append), said


def downloads(hub: FakeHub) -> list[str]:
    return [line.rpartition("/")[2] for line in hub.asked if line.startswith("GET /lab/pick/res")]


def test_a_name_gives_the_models_files_and_no_others(hub, files):
    other = {"weights.pkl": b"x", "../outside": b"x", "..%2foutside": b"x", "a/encoder.onnx": b"x"}
    commit = hub.publish(NAME, {**files, **other})
    folder, said = fetched(NAME)
    assert sorted(path.name for path in folder.iterdir()) == sorted(files)
    assert sorted(downloads(hub)) == sorted(files)
    assert [data for name, data in files.items() if (folder / name).read_bytes() != data] == []
    assert Models.load(folder).encoder.layout.signals.keys() == {"gripper"}
    assert commit in said[0] and "fetching" in said[0]
    assert encoder_file(f"{NAME}@{commit}", said.append) == folder / "encoder.onnx"


def test_what_is_in_the_cache_is_not_fetched_again(hub, files):
    first = hub.publish(NAME, files)
    fetched(NAME)
    before = len(downloads(hub))
    folder, said = fetched(NAME)
    assert len(downloads(hub)) == before and said == [
        f"{NAME}@main: commit {first}, from the cache"
    ]
    second = hub.publish(NAME, {**files, "model_card.md": b"# new\n"})
    assert fetched(NAME)[0].name == second
    assert downloads(hub)[before:] == ["model_card.md"]
    asked = len(hub.asked)
    assert fetched(f"{NAME}@{first}")[0] == folder and len(hub.asked) == asked


def test_a_revision_is_a_branch_a_tag_or_a_commit(hub, files):
    old = hub.publish(NAME, files, "v1.0")
    new = hub.publish(NAME, {**files, "model_card.md": b"# new\n"})
    assert fetched(f"{NAME}@v1.0")[0].name == fetched(f"{NAME}@{old}")[0].name == old
    assert fetched(f"{NAME}@main")[0].name == new
    with pytest.raises(M2R2Error, match=r"lab/pick@v9: the repository has no such revision"):
        fetched(f"{NAME}@v9")


@pytest.mark.parametrize("how", ["switched off", "not reachable", "broken"])
def test_without_the_hub_the_cache_is_taken_and_its_commit_said(how, hub, files, monkeypatch):
    import huggingface_hub.constants as constants

    commit = hub.publish(NAME, files, "v1.0")
    fetched(f"{NAME}@v1.0")
    if how == "switched off":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    elif how == "broken":
        hub.refuse = 503
    else:
        move(monkeypatch, "http://127.0.0.1:9")
    folder, said = fetched(f"{NAME}@v1.0")
    assert folder.name == commit and len(said) == 1
    assert f"{NAME}@v1.0: commit {commit} of the cache" in said[0]
    assert {"switched off": "HF_HUB_OFFLINE", "broken": "503"}.get(how, "Connect") in said[0]
    with pytest.raises(M2R2Error, match=r"^lab/pick@v2: .* not \(wholly\) in the cache"):
        fetched(f"{NAME}@v2")


def test_an_interrupted_download_is_no_models_folder_and_goes_on(hub, files, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.publish(NAME, files)
    hub.cut = {"encoder.onnx": 100}
    with pytest.raises(M2R2Error, match=r"^lab/pick@main: .* fails"):
        fetched(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(M2R2Error, match=r"not \(wholly\) in the cache"):
        fetched(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub.behave()
    assert Models.load(fetched(NAME)[0])


def test_a_wrong_digest_is_one_line_that_names_the_file_and_the_remedy(hub, files):
    changed = files["head.onnx"][:-1] + bytes([files["head.onnx"][-1] ^ 1])
    commit = hub.publish(NAME, {**files, "head.onnx": changed})
    with pytest.raises(M2R2Error) as caught:
        fetched(NAME)
    line = str(caught.value)
    assert line.startswith(f"{NAME}@main, commit {commit}: ") and "head.onnx: is not the f" in line
    assert "to fetch it again remove" in line and "models--lab--pick" in line


def test_a_damaged_cache_is_noticed(hub, files):
    hub.publish(NAME, files)
    folder, _ = fetched(NAME)
    (folder / "encoder.onnx").resolve().write_bytes(b"x" * len(files["encoder.onnx"]))
    with pytest.raises(M2R2Error, match=r"encoder\.onnx: is not the file that"):
        fetched(NAME)


def test_no_list_of_digests_is_said(hub, files):
    hub.publish(NAME, {n: data for n, data in files.items() if n != "models.sha256"})
    assert "no models.sha256" in fetched(NAME)[1][1]


def test_a_huge_file_is_refused_before_it_is_fetched(hub, files):
    hub.publish(NAME, files)
    hub.announced = {"encoder.onnx": 2**31}
    with pytest.raises(M2R2Error, match=r"encoder\.onnx: has 2147483648 bytes, it may have"):
        fetched(NAME)
    hub.announced = {"model_card.md": 10**7}
    with pytest.raises(M2R2Error, match=r"model_card\.md: has 10000000 bytes"):
        fetched(NAME)
    assert downloads(hub) == []


def test_a_file_that_does_not_end_is_given_up(hub, files):
    hub.publish(NAME, files)
    hub.endless = {"head.onnx"}
    with pytest.raises(M2R2Error, match="sends more than the"):
        fetched(NAME)


@pytest.mark.parametrize("status", [401, 403, 404, 418])
def test_a_refusal_is_one_line_without_the_token(status, hub, files):
    hub.publish(NAME, files)
    fetched(NAME)
    hub.refuse = status
    with pytest.raises(M2R2Error) as caught:
        fetched(NAME)
    line = str(caught.value)
    assert line.startswith(f"{NAME}@main: ") and "hf_secret" not in line and len(line) < 400
    assert status == 418 or "HF_TOKEN" in line or "HTTP 404" in line


def test_the_token_is_in_no_line_of_a_start_from_the_cache(hub, files):
    hub.publish(NAME, files)
    fetched(NAME)
    hub.refuse, said = 503, []
    models_folder(NAME, said.append)
    assert "without asking the hub: HTTP 503: no, [token]" in said[0]


@pytest.mark.parametrize("before", range(270, 301, 3))
def test_no_part_of_the_token_is_left_where_a_message_is_cut(before, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub = library(NAME)
    said = why(hub, RuntimeError(f"{'x' * before}{hub.get_token()}"))
    assert "hf" not in said


def test_a_cache_that_fails_is_named_and_not_the_hub(hub, files, tmp_path, monkeypatch):
    hub.publish(NAME, files)
    (tmp_path / "file").touch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "file"))
    with pytest.raises(M2R2Error, match=r"^lab/pick@main: the cache .*/file fails: NotADirectory"):
        fetched(NAME)
    name, full = HubName(NAME), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for error, fails in ((full, "the cache .*/file"), (ConnectionResetError(104, "gone"), "http:")):
        with (
            pytest.raises(M2R2Error, match=f"^lab/pick@main: {fails}"),
            troubles(library(NAME), name),
        ):
            raise error


def test_a_repository_without_models_and_one_that_is_not_there(hub):
    hub.publish(NAME, {"README.md": b"x", "weights.bin": b"x"})
    with pytest.raises(M2R2Error, match=r"lab/pick@main: .* no encoder\.onnx: it holds no models"):
        fetched(NAME)
    with pytest.raises(M2R2Error, match="neither a folder here nor a model repository on"):
        fetched("lab/pack")


def test_an_endpoint_that_is_no_hub_is_one_line(hub, files, monkeypatch):
    hub.publish(NAME, files)
    move(monkeypatch, hub.url + "/elsewhere")
    with pytest.raises(M2R2Error, match=r"^lab/pick@main: "):
        fetched(NAME)


def test_a_folder_of_that_name_wins_and_a_mistyped_path_asks_nobody(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab" / "pick").mkdir(parents=True)
    here = (NAME, "lab/pack", "./lab/pick@v1", str(tmp_path / "a@b"), "models", "models@v1")
    for path in (*here, "a/b/c", "modls/encoder.onnx", ""):
        assert models_folder(path, print) == Path(path)
    assert hub.asked == []
    for name in ("org/name@", "org/name@../x", "org/na..me@v1", "org/name@a@b", "o/n/m@v1"):
        with pytest.raises(M2R2Error, match="neither a folder here nor a name"):
            models_folder(name, print)


@settings(max_examples=50)
@given(st.text(max_size=40) | st.from_regex(r"[\w./-]{1,12}/[\w./-]{1,9}(@[\w./-]{1,9})?"))
def test_a_name_never_leads_out_of_the_cache(text):
    name = HubName.read(text)
    if name:
        parts = f"{name.repository}/{name.revision}".split("/")
        assert ".." not in text and parts[0] and parts[1] and not text.startswith("/")
        assert text.isascii() and "\0" not in text


def test_without_the_package_the_line_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(M2R2Error, match=r"^lab/none@v1: .*`pip install huggingface_hub`"):
        models_folder("lab/none@v1", print)


def test_a_nodes_parameter_takes_a_name(hub, files):
    said: list[str] = []
    commit = hub.publish(NAME, files)
    assert given_models(NAME, said.append).name == commit and commit in said[0]
    assert given_models("", said.append) == shipped("models/taskboard_compact")
    assert given_models("~/mine", said.append) == Path.home() / "mine"


def test_a_command_takes_a_name(hub, files, tmp_path):
    """As the library reads its own variables, in a process of its own."""
    commit = hub.publish(NAME, files)
    here = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-m", "m2r2_ros.cli.main", "segment", "none.h5"]
    result = subprocess.run(
        [*program, "--models", f"{NAME}@main", "--json", str(tmp_path / "s.json")],
        env={**os.environ, **here},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    said, wrong = result.stderr.splitlines()
    assert said.startswith(f"{NAME}@main: fetching commit {commit}") and "none.h5" in wrong
