# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP's training on made-up clips: total loss, bank schedule, resuming, frozen parts."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from recordings import recording  # noqa: E402

from m2r2_ros.cli.main import main  # noqa: E402
from m2r2_ros.datasets.clips import Clip, write_clips  # noqa: E402
from m2r2_ros.datasets.media import encode_video  # noqa: E402
from m2r2_ros.datasets.reassemble_writer import write_recording  # noqa: E402
from m2r2_ros.datasets.recording import Action  # noqa: E402
from m2r2_ros.datasets.video_frames import video_frames  # noqa: E402
from m2r2_ros.descriptions import clip_sentence  # noqa: E402
from m2r2_ros.errors import M2R2Error  # noqa: E402
from m2r2_ros.experiments import roboact_ablations  # noqa: E402
from m2r2_ros.experiments.ablation_table import VARIANTS  # noqa: E402
from m2r2_ros.networks.roboact.config import RoboActConfig  # noqa: E402
from m2r2_ros.networks.roboact.disentanglement import FACTORS  # noqa: E402
from m2r2_ros.networks.roboact.frames import FrameEncoder  # noqa: E402
from m2r2_ros.networks.roboact.model import VideoFeatures  # noqa: E402
from m2r2_ros.networks.tokens import resized  # noqa: E402
from m2r2_ros.parallel.spread import Workers  # noqa: E402
from m2r2_ros.training.roboact import (  # noqa: E402
    embeddings,
    frame_graph,
    probes,
    roboact_pretraining,
    trained,
)
from m2r2_ros.training.roboact.evaluation import (  # noqa: E402
    HELD_OUT,
    SEEN,
    cameras_together,
    retrieval_scores,
    score_run,
)
from m2r2_ros.training.roboact.roboact_settings import LossWeights, RoboActSettings  # noqa: E402
from m2r2_ros.training.roboact.sampling import (  # noqa: E402
    ClipSampler,
    FactorClasses,
    nearest_frames,
)
from m2r2_ros.training.sentence_encoder import SentenceEncoder  # noqa: E402
from m2r2_ros.training.settings import OptimiserSettings  # noqa: E402

ACTIONS, OBJECTS = ("pick", "insert"), ("USB", "BNC", "gear")
PAIRS = [(action, name) for action in ACTIONS for name in OBJECTS]


class TinyFrames(FrameEncoder):
    """Mean colours of the four quarters of a picture, with weights that could be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.image_size, self.dimension = 8, 12
        self.scale = torch.nn.Parameter(torch.ones(12))

    def forward(self, images):
        return resized(images, 2).flatten(1) / 255 * self.scale


class TinyTexts(SentenceEncoder):
    """A fixed random vector for each word, summed."""

    def __init__(self) -> None:
        self._hold(None, None, 16)

    def _embed(self, sentences):
        return torch.stack([sum(map(self._word, text.split())) for text in sentences])

    @staticmethod
    def _word(word):
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
        return torch.randn(16, generator=torch.Generator().manual_seed(seed))


def picture(time_s: float, action: str, name: str) -> np.ndarray:
    """The object's colour on the left; a bar that moves down ("pick") or up ("insert")."""
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :4, OBJECTS.index(name)] = 200
    row = round(7 * (time_s if action == "pick" else 1 - time_s))
    image[row, 4:] = 255
    return image


def make_frames(path: Path, camera: str, rate_hz: float):
    action, name = PAIRS[int(path.stem) % len(PAIRS)]
    random = np.random.default_rng(int(path.stem))
    for index in range(11):
        noisy = picture(index / 10, action, name) + random.integers(0, 20, (8, 8, 3))
        yield embeddings.Frame(index / 10, noisy.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "frame.onnx"
    frame_graph.write_frame_graph(TinyFrames().eval(), path)
    return path


@pytest.fixture(autouse=True)
def tiny_parts(monkeypatch, graph):
    def copy(encoder, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(graph, path)

    # Of all that is replaced here only this one is for the sake of time.
    monkeypatch.setattr(frame_graph, "write_frame_graph", copy)
    monkeypatch.setattr(embeddings, "video_frames", make_frames)
    for module in (roboact_pretraining, trained):
        monkeypatch.setattr(module, "frame_encoder", lambda clip: TinyFrames().eval())
        monkeypatch.setattr(module, "text_encoder", lambda clip: TinyTexts())


@pytest.fixture
def clips(tmp_path) -> list[Clip]:
    found = []
    for index in range(24):
        path = tmp_path / f"{index}.mp4"
        path.touch()
        action, name = PAIRS[index % len(PAIRS)]
        sentence = clip_sentence("Robot", action, name)
        found.append(Clip(path, 0.0, 1.0, "", "Robot", action, name, sentence))
    return found


def settings(epochs: int = 3, **changes) -> RoboActSettings:
    model = RoboActConfig(frames=4, width=8, layers=1, heads=2)
    optimiser = OptimiserSettings(epochs=epochs, batch_size=8, learning_rate=1e-2)
    return RoboActSettings(**{"model": model, "optimiser": optimiser, "triplets": 6} | changes)


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def module_and_batch(clips, tmp_path, **changes):
    chosen, encoder = settings(**changes), TinyFrames()
    videos = [(clip.path, clip.camera) for clip in clips]
    sampler = ClipSampler(
        clips, embeddings.embed_videos(videos, encoder, 10.0, tmp_path / "cache"), 4
    )
    module = roboact_pretraining.build(
        chosen, encoder.dimension, TinyTexts(), FactorClasses.of(clips)
    )
    return module, sampler.ordered(len(clips))[0]


def test_a_killed_run_goes_on_to_the_same_losses(clips, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    roboact_pretraining.pretrain_roboact(clips, tmp_path / "whole", settings(), cache)
    save, saved = roboact_pretraining.TrainingRun.save, []

    def save_then_die(run, epoch, *rest):
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.append(epoch)
        return save(run, epoch, *rest)

    monkeypatch.setattr(roboact_pretraining.TrainingRun, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        roboact_pretraining.pretrain_roboact(clips, tmp_path / "killed", settings(), cache)
    monkeypatch.setattr(roboact_pretraining.TrainingRun, "save", save)
    roboact_pretraining.pretrain_roboact(clips, tmp_path / "killed", settings(), cache)
    same = metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    assert same and len(metrics(tmp_path / "whole")) == 3


def test_training_learns_actions_and_objects_of_unseen_videos(clips, tmp_path):
    chosen = settings(epochs=40)
    cache = tmp_path / "cache"
    roboact_pretraining.pretrain_roboact(clips, tmp_path / "run", chosen, cache)
    run = trained.load_trained(tmp_path / "run")
    unseen = roboact_pretraining.split_clips(clips, chosen).validation
    videos = [(clip.path, clip.camera) for clip in unseen]
    scores = score_run(run, unseen, embeddings.embed_videos(videos, run.frames, 10.0, cache))
    groups = scores["groups"]
    assert groups[SEEN]["clips"] == len(unseen) and list(groups) == [SEEN]
    assert groups[SEEN]["action"] > 50 and groups[SEEN]["object"] > 50
    taken = scores["confusion"]
    assert sum(sum(row.values()) for row in taken.values()) == len(unseen)
    right = sum(row.get(action, 0) for action, row in taken.items())
    assert 100 * right / len(unseen) == pytest.approx(groups[SEEN]["action"])


def test_the_total_is_equation_24(clips, tmp_path):
    weights = LossWeights(ortho=0.5, recombination=0.25, disentanglement=2.0, auxiliary=3.0)
    module, batch = module_and_batch(clips, tmp_path, weights=weights)
    found = {name: value.item() for name, value in module.eval().losses(batch).items()}
    disentanglement = 0.5 * (found["similarity"] + found["magnitude"])
    disentanglement += 0.25 * found["recombination"]
    expected = found["clip"] + 2.0 * disentanglement + 3.0 * found["auxiliary"]
    assert found["loss"] == pytest.approx(expected, rel=1e-6)


def test_ablation_2_is_the_clip_loss_alone(clips, tmp_path):
    model = RoboActConfig(frames=4, width=8, layers=1, heads=2, disentangle=False)
    module, batch = module_and_batch(clips, tmp_path, model=model)
    found = module.losses(batch)
    assert found.keys() == {"clip", "loss"} and found["loss"] is found["clip"]


def test_banks_follow_their_schedule_in_training_only(clips, tmp_path):
    module, batch = module_and_batch(clips, tmp_path, bank_interval=3)
    stored = []
    module.eval().losses(batch)
    assert not module.banks.action_stored.any(), "evaluation stores nothing"
    module.train()
    for _ in range(7):
        before = module.banks.action_features.clone()
        module.losses(batch)
        stored.append(not torch.equal(module.banks.action_features, before))
    assert stored == [True, False, False, True, False, False, True]


def test_the_recombination_loss_reaches_the_branches(clips, tmp_path):
    module, batch = module_and_batch(clips, tmp_path)
    module.train().losses(batch)["recombination"].backward()
    assert all(p.grad.abs().sum() > 0 for p in module.video.disentanglement.branches.parameters())
    module.zero_grad()
    module.settings = settings(bank_interval=2)
    module.losses(batch)["recombination"].backward()
    branch = next(module.video.disentanglement.branches.parameters())
    assert branch.grad is None or branch.grad.abs().sum() == 0, "the banks are constants"


def test_the_frozen_encoder_has_no_gradient_and_does_not_change(clips, tmp_path):
    encoder = TinyFrames()
    before = encoder.fingerprint()
    videos = [(clip.path, clip.camera) for clip in clips]
    found = embeddings.embed_videos(videos, encoder, 10.0, tmp_path / "cache")
    sampler = ClipSampler(clips, found, 4)
    module = roboact_pretraining.build(
        settings(), encoder.dimension, TinyTexts(), FactorClasses.of(clips)
    )
    batch = sampler.ordered(8)[0]
    assert not batch().frames.requires_grad
    optimiser = torch.optim.SGD([*module.parameters(), *encoder.parameters()], 0.1)
    module.losses(batch)["loss"].backward()
    optimiser.step()
    assert encoder.scale.grad is None and encoder.fingerprint() == before
    assert not {id(p) for p in module.parameters()} & {id(p) for p in encoder.parameters()}
    assert not encoder.train().training, "frozen is also out of training mode"


def test_held_out_pairs_are_in_neither_part(clips):
    chosen = settings(held_out_pairs=("insert USB",))
    split = roboact_pretraining.split_clips(clips, chosen)
    used = [*split.training, *split.validation]
    assert "insert USB" not in {roboact_pretraining.pair_of(clip) for clip in used}
    assert len(used) == 20 and split.validation
    chosen = settings(validation_recordings=("3", "7"))
    assert [c.path.stem for c in roboact_pretraining.split_clips(clips, chosen).validation] == [
        "3",
        "7",
    ]
    with pytest.raises(M2R2Error, match="no recording '99' to validate on"):
        roboact_pretraining.split_clips(clips, settings(validation_recordings=("99",)))
    chosen = settings(held_out_pairs=("insert USB",))
    assert not {c.path for c in split.training} & {c.path for c in split.validation}
    with pytest.raises(M2R2Error, match=r"no clip shows 'insert UBS' \(did you mean 'insert USB'"):
        roboact_pretraining.split_clips(clips, settings(held_out_pairs=("insert UBS",)))


def test_a_video_to_validate_on_may_show_held_out_pairs_only(clips):
    held_out = [
        clip.path.stem for clip in clips if roboact_pretraining.pair_of(clip) == "insert USB"
    ]
    (other,) = {clip.path.stem for clip in clips[:1]}
    assert other not in held_out
    chosen = settings(held_out_pairs=("insert USB",), validation_recordings=(held_out[0], other))
    split = roboact_pretraining.split_clips(clips, chosen)
    assert {clip.path.stem for clip in split.validation} == {other}
    with pytest.raises(M2R2Error, match="no clip to train or to validate on"):
        alone = settings(held_out_pairs=("insert USB",), validation_recordings=tuple(held_out))
        roboact_pretraining.split_clips(clips, alone)


def test_a_name_to_validate_on_must_tell_which_video(clips):
    elsewhere = replace(clips[0], path=clips[0].path.parent / "elsewhere" / clips[0].path.name)
    chosen = settings(validation_recordings=(clips[0].path.stem,))
    with pytest.raises(M2R2Error, match=f"two videos are called '{clips[0].path.stem}'"):
        roboact_pretraining.split_clips([*clips, elsewhere], chosen)


def test_a_run_of_another_frozen_encoder_is_refused(clips, tmp_path, monkeypatch):
    roboact_pretraining.pretrain_roboact(
        clips, tmp_path / "run", settings(epochs=1), tmp_path / "cache"
    )

    class Others(TinyFrames):
        def fingerprint(self):
            return "other"

    monkeypatch.setattr(trained, "frame_encoder", lambda clip: Others())
    with pytest.raises(M2R2Error, match="another 'compact'"):
        trained.load_trained(tmp_path / "run")
    (tmp_path / "m2r2").mkdir()
    (tmp_path / "m2r2" / "settings.yaml").write_text("kind: m2r2\n")
    with pytest.raises(M2R2Error, match="of kind 'm2r2'"):
        trained.load_trained(tmp_path / "m2r2")


def test_embeddings_are_computed_once(clips, tmp_path, monkeypatch):
    videos = [(clips[0].path, "")]
    first = embeddings.embed_videos(videos, TinyFrames(), 10.0, tmp_path / "cache")
    monkeypatch.setattr(embeddings, "video_frames", lambda *_: iter(()))
    again = embeddings.embed_videos(videos, TinyFrames(), 10.0, tmp_path / "cache")
    assert np.array_equal(first[videos[0]].rows, again[videos[0]].rows)
    with pytest.raises(M2R2Error, match="has no frame"):
        embeddings.embed_videos(videos, TinyFrames(), 5.0, tmp_path / "cache")


def test_processes_embed_real_videos_as_torch_does(tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "video_frames", video_frames)
    random, videos = np.random.default_rng(0), []
    for name in "ab":
        pictures = [random.integers(0, 256, (16, 24, 3), dtype=np.uint8) for _ in range(20)]
        (tmp_path / f"{name}.mp4").write_bytes(encode_video(pictures, 10.0)[0])
        videos.append((tmp_path / f"{name}.mp4", ""))
    encoder, cache = TinyFrames(), tmp_path / "cache"
    found = embeddings.embed_videos(videos, encoder, 10.0, cache, Workers(2))
    for video in videos:
        frames = list(video_frames(*video, 10.0))
        with torch.no_grad():
            expected = encoder(torch.from_numpy(np.stack([frame.picture for frame in frames])))
        assert found[video].times_s.tolist() == [frame.time_s for frame in frames]
        # Kept in half precision, numbers of 0 to 1.
        np.testing.assert_allclose(found[video].rows, expected, atol=1e-3)
    (tmp_path / "c.mp4").write_bytes(b"no video")
    with pytest.raises(M2R2Error, match=r"c\.mp4"):
        more = [*videos, (tmp_path / "c.mp4", "")]
        embeddings.embed_videos(more, encoder, 10.0, cache, Workers(2))


def test_processes_that_embed_need_no_torch():
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'transformers', 'onnx')))\n"
        "import m2r2_ros.training.roboact.embeddings\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_clip_beyond_its_video_is_named(clips, tmp_path):
    late = Clip(clips[0].path, 5.0, 6.0, "", "Robot", "pick", "USB", "s")
    videos = embeddings.embed_videos([(late.path, "")], TinyFrames(), 10.0, tmp_path / "cache")
    with pytest.raises(M2R2Error, match=r"begins at 5.00 s, the last frame is at 1.00 s"):
        ClipSampler([late], videos, 4)


def test_frames_are_spread_evenly_over_the_clip():
    times = np.arange(11) / 10
    wanted = np.linspace(0.2, 0.8, 4)
    assert nearest_frames(times, wanted).tolist() == [2, 4, 6, 8]
    assert nearest_frames(times, np.array([-1.0, 0.04, 0.06, 9.0])).tolist() == [0, 0, 1, 10]
    assert nearest_frames(np.array([0.5]), wanted).tolist() == [0, 0, 0, 0]


def test_retrieval_scores_are_what_they_say(tmp_path):
    def clip(action, name):
        return Clip(tmp_path, 0, 1, "", "Robot", action, name, clip_sentence("Robot", action, name))

    gallery = [clip(*pair) for pair in PAIRS]
    shown = [clip("pick", "USB"), clip("insert", "gear")]
    posterior = np.array(
        [
            # The nearest sentence is "insert USB", but "pick" has more probability in all.
            [0.3, 0.15, 0.1, 0.35, 0.1, 0.0],
            [0.2, 0.1, 0.1, 0.0, 0.0, 0.6],
        ]
    )
    scores = retrieval_scores(posterior, shown, gallery)
    assert scores == {"clips": 2, "action": 100, "object": 100, "R@1": 50, "R@5": 100}


def test_cameras_together_are_the_mean_of_what_each_saw(tmp_path):
    def clip(camera, start_s):
        return Clip(tmp_path, start_s, start_s + 1, camera, "Robot", "pick", "USB", "s")

    clips = [clip("a", 0), clip("b", 0), clip("a", 5), clip("b", 5)]
    similarity = np.array([[0.0, 1.0], [0.5, 0.0], [0.2, 0.4], [0.4, 0.2]])
    together, actions = cameras_together(similarity, clips)
    np.testing.assert_allclose(together, [[0.25, 0.5], [0.3, 0.3]])
    assert actions == [clips[0], clips[2]]


def test_probes_find_what_a_branch_holds_and_nothing_else(monkeypatch, tmp_path):
    random = np.random.default_rng(0)
    sides = []
    for _ in range(2):
        pairs = [PAIRS[i] for i in random.integers(0, len(PAIRS), 120)]
        action = np.array([[float(a == one) for one in ACTIONS] for a, _ in pairs])
        noise = random.normal(size=(120, 2))
        branches = {"action": torch.tensor(action), "object": torch.tensor(noise)}
        video = torch.cat(list(branches.values()), 1)
        clips = [Clip(tmp_path, 0, 1, "", "Robot", a, o, "s") for a, o in pairs]
        sides.append((clips, VideoFeatures(video, None, branches)))
    features = dict(zip(("training", "test"), sides, strict=True))
    monkeypatch.setattr(
        probes, "clip_features", lambda _, clips, __: next(f for c, f in sides if c is clips)
    )
    found = probes.probe_run(None, features["training"][0], features["test"][0], {})
    assert found["action"]["action"] == found[probes.WHOLE]["action"] == 100
    assert found["object"]["action"] < 65 and found["action"]["object"] < 55
    assert found[probes.CHANCE]["object"] < 55
    assert all("subject" not in row for row in found.values()), "it has one class"


CONFIG = """
optimiser: {epochs: 2, batch_size: 8}
model: {frames: 4, width: 8, layers: 1, heads: 2, motion: MOTION}
held_out_pairs: [insert USB]
"""


def test_the_commands_train_and_compare_runs(clips, tmp_path, capsys):
    data, cache = tmp_path / "clips.jsonl", tmp_path / "cache"
    write_clips(data, clips)
    runs = []
    validation = tmp_path / "validation.jsonl"
    write_clips(data, clips[:18])
    write_clips(validation, clips[18:])
    for motion in ("transformer", "ends"):
        runs.append(str(tmp_path / motion))
        config = tmp_path / f"{motion}.yaml"
        config.write_text(CONFIG.replace("MOTION", motion))
        train = ["pretrain", "--encoder", "roboact", "--data", str(data), "--out", runs[-1]]
        train += ["--validation", str(validation), "--config", str(config)]
        assert main([*train, "--cache", str(cache)]) == 0
        stored = trained.read_settings(Path(runs[-1]))["settings"]
        assert stored["validation_recordings"] == [str(i) for i in range(18, 24)]
    write_clips(data, clips)
    scores = tmp_path / "scores.json"
    score = ["retrieve", *runs, "--data", str(data), "--json", str(scores)]
    assert main([*score, "--cache", str(cache)]) == 0
    found = json.loads(scores.read_text())
    assert [found[run]["paper drop"] for run in runs] == [None, -10.5]
    for run in runs:
        groups = found[run]["groups"]
        assert (groups[SEEN]["clips"], groups[HELD_OUT]["clips"]) == (20, 4)
    printed = capsys.readouterr().out
    assert SEEN in printed and HELD_OUT in printed and "-10.5" in printed


REPRODUCED = """
cameras: [hama1]
optimiser: {epochs: 2, batch_size: 8}
model: {frames: 4, width: 8, layers: 1, heads: 2, MORE}
held_out_pairs: [insert BNC]
"""


def test_one_command_compares_the_ablations_and_does_nothing_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(embeddings, "video_frames", video_frames)
    for split, names in {"train": "abc", "validation": "d", "test": "ef"}.items():
        for name in names:
            data = recording(4.0, name, cameras=("hama1",))
            texts = ["Pick USB.", "Insert USB.", "Pick BNC.", "Insert BNC."]
            data.actions[:] = [Action(i, i + 0.9, text) for i, text in enumerate(texts)]
            write_recording(tmp_path / "data" / split / f"{name}.h5", data)
    more = ("motion: transformer", "motion: ends", "disentangle: false", "motion: mean")
    (tmp_path / "configs").mkdir()
    for config, entry in zip(VARIANTS.values(), more, strict=True):
        text = REPRODUCED.replace("MORE", entry)
        (tmp_path / "configs" / f"{config}.yaml").write_text(text)
    out = tmp_path / "out"
    command = ["reproduce", "roboact", "--data", str(tmp_path / "data"), "--out", str(out)]
    command += ["--config", str(tmp_path / "configs"), "--seeds", "0,1"]
    assert main(command) == 0
    content = json.loads((out / "roboact.json").read_text())
    rows = content["splits"]["test"]
    assert list(rows) == list(VARIANTS)
    assert [row["paper drop"] for row in rows.values()] == [None, -10.5, -6.5, None]
    for name, row in rows.items():
        assert {group: found["clips"]["mean"] for group, found in row["groups"].items()} == {
            SEEN: 6,
            HELD_OUT: 2,
        }
        assert len(row["groups"][SEEN]["action"]["values"]) == 2
        has_branches = name != "ablation 2: no disentanglement"
        assert (row["branch cosine"] is not None) == has_branches
        assert set(row["probes"]) == {"video", "most frequent", *(FACTORS if has_branches else ())}
        assert set(row["probes"]["video"]) == {"object", "action"}
    settings_file = (out / "runs" / "roboact_plain" / "seed1" / "settings.yaml").read_text()
    assert "seed: 1" in settings_file and "- d" in settings_file
    printed = capsys.readouterr().out
    assert "held-out pairs, 2 clips" in printed and "-10.5" in printed and "±" in printed

    monkeypatch.setattr(roboact_ablations, "pretrain_roboact", None)
    before = (out / "roboact.md").read_text()
    assert main(command) == 0
    assert (out / "roboact.md").read_text() == before
    (tmp_path / "configs" / "roboact_plain.yaml").write_text(REPRODUCED.replace("MORE", more[0]))
    assert main(command) == 2
    assert "begun with other settings" in capsys.readouterr().err
    shutil.copy(tmp_path / "data" / "test" / "e.h5", tmp_path / "data" / "test" / "g.h5")
    assert main(command) == 2
    assert "begun with other recordings" in capsys.readouterr().err
    assert main([*command, "--rows", "roboact_plane"]) == 2
    assert "(did you mean 'roboact_plain'?)" in capsys.readouterr().err


def test_a_wrong_setting_is_one_line(clips, tmp_path, capsys):
    write_clips(tmp_path / "clips.jsonl", clips)
    config = tmp_path / "bad.yaml"
    config.write_text("model: {motion: end}")
    train = ["pretrain", "--encoder", "roboact", "--data", str(tmp_path / "clips.jsonl")]
    assert main([*train, "--out", str(tmp_path / "run"), "--config", str(config)]) == 2
    assert "(did you mean 'ends'?)" in capsys.readouterr().err
