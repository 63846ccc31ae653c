# SPDX-License-Identifier: Apache-2.0
"""Retrieval: which sentence describes a clip, from its video alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from m2r2_ros.datasets.clips import Clip
from m2r2_ros.networks.roboact.config import ENDS, TRANSFORMER
from m2r2_ros.networks.roboact.model import VideoFeatures
from m2r2_ros.training.losses import unit
from m2r2_ros.training.roboact.embeddings import Video, VideoEmbeddings
from m2r2_ros.training.roboact.roboact_pretraining import pair_of
from m2r2_ros.training.roboact.roboact_settings import RoboActSettings
from m2r2_ros.training.roboact.sampling import ClipSampler
from m2r2_ros.training.roboact.trained import TrainedRoboAct

SEEN, HELD_OUT = "seen pairs", "held-out pairs"
# Put after a group's name: scores of actions rather than of videos.
ALL_CAMERAS = ", all cameras"
_BATCH = 64


@torch.no_grad()
def score_run(
    trained: TrainedRoboAct, clips: Sequence[Clip], videos: Mapping[Video, VideoEmbeddings]
) -> dict[str, Any]:
    """`groups`: scores in percent of the clips with pairs seen in training, and of those held out.

    The gallery holds each sentence of the clips once. `action`, `object`: the most probable one is
    the clip's, where it has the probabilities of all its sentences (softmax of (23));
    `R@1`, `R@5`: the clip's sentence is among the 1 or 5 nearest. Where an action was seen by
    several cameras, also by all together: the mean of their cosines, as on a robot.
    `confusion`: clips by true action and the one they were taken for. `branch cosine`: the mean
    cosine of two branches, of -1 to 1, None where there are none. `paper drop`: see `paper_drop`.
    """
    features = clip_features(trained, clips, videos)
    gallery = gallery_of(clips)
    texts = trained.module.text_features([clip.sentence for clip in gallery])
    scores = grouped_scores(features.video, texts, clips, gallery, trained)
    cosines = [
        functional.cosine_similarity(one, other)
        for one, other in combinations(features.branches.values(), 2)
    ]
    return scores | {
        "branch cosine": float(torch.cat(cosines).mean()) if cosines else None,
        "paper drop": paper_drop(trained.settings),
    }


@torch.no_grad()
def clip_features(
    trained: TrainedRoboAct, clips: Sequence[Clip], videos: Mapping[Video, VideoEmbeddings]
) -> VideoFeatures:
    """F_video and its branches, a row a clip, of the clips as they are cut."""
    sampler = ClipSampler(clips, videos, trained.settings.model.frames)
    found = []
    for make_batch in sampler.ordered(_BATCH):
        frames = make_batch().frames
        valid = torch.ones(frames.shape[:2], dtype=torch.bool)
        found.append(trained.module.video(frames, valid))
    names = found[0].branches
    branches = {name: torch.cat([part.branches[name] for part in found]) for name in names}
    return VideoFeatures(torch.cat([part.video for part in found]), None, branches)


@torch.no_grad()
def score_plain(
    trained: TrainedRoboAct, clips: Sequence[Clip], videos: Mapping[Video, VideoEmbeddings]
) -> dict[str, Any] | None:
    """The same scores of the frozen CLIP by itself: mean frame embedding against its text.

    None where frames and texts are not embedded in one space, as with the compact stand-in.
    """
    if trained.frames.dimension != trained.texts.dimension:
        return None
    sampler = ClipSampler(clips, videos, trained.settings.model.frames)
    means = [make().frames.mean(1) for make in sampler.ordered(_BATCH)]
    gallery = gallery_of(clips)
    texts = trained.texts([clip.sentence for clip in gallery])
    return grouped_scores(torch.cat(means), texts, clips, gallery, trained)


def gallery_of(clips: Sequence[Clip]) -> list[Clip]:
    """One clip for each sentence, in order of the sentences."""
    return [clip for _, clip in sorted({clip.sentence: clip for clip in clips}.items())]


def grouped_scores(
    video: Tensor,
    text: Tensor,
    clips: Sequence[Clip],
    gallery: Sequence[Clip],
    trained: TrainedRoboAct,
) -> dict[str, Any]:
    """Scores by group of pairs, none for one without a clip, and the confusion of actions."""
    similarity = (unit(video) @ unit(text).T).numpy()
    groups = _scores(similarity, clips, gallery, trained.settings)
    together, actions = cameras_together(similarity, clips)
    if len(actions) < len(clips):
        found = _scores(together, actions, gallery, trained.settings)
        groups |= {f"{name}{ALL_CAMERAS}": group for name, group in found.items()}
    confusion = action_confusion(_posterior(similarity, trained.settings), clips, gallery)
    return {"groups": groups, "confusion": confusion}


def cameras_together(
    similarity: np.ndarray, clips: Sequence[Clip]
) -> tuple[np.ndarray, list[Clip]]:
    """Mean similarity over the cameras that saw an action, a row an action, and its first clip."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    for row, clip in enumerate(clips):
        rows.setdefault((clip.path, clip.start_s, clip.end_s, clip.sentence), []).append(row)
    means = [similarity[chosen].mean(0) for chosen in rows.values()]
    return np.stack(means), [clips[chosen[0]] for chosen in rows.values()]


def action_confusion(
    posterior: np.ndarray, clips: Sequence[Clip], gallery: Sequence[Clip]
) -> dict[str, dict[str, int]]:
    """True action -> the one it was taken for -> clips."""
    found: dict[str, dict[str, int]] = {}
    for clip, taken in zip(clips, _most_probable("action", posterior, gallery), strict=True):
        row = found.setdefault(clip.action, {})
        row[taken] = row.get(taken, 0) + 1
    return {action: dict(sorted(found[action].items())) for action in sorted(found)}


def _scores(
    similarity: np.ndarray,
    clips: Sequence[Clip],
    gallery: Sequence[Clip],
    settings: RoboActSettings,
) -> dict[str, Any]:
    posterior = _posterior(similarity, settings)
    held_out = np.array([pair_of(clip) in settings.held_out_pairs for clip in clips], dtype=bool)
    found = {}
    for name, rows in ((SEEN, ~held_out), (HELD_OUT, held_out)):
        chosen = [clip for clip, row in zip(clips, rows, strict=True) if row]
        if chosen:
            found[name] = retrieval_scores(posterior[rows], chosen, gallery)
    return found


def _posterior(similarity: np.ndarray, settings: RoboActSettings) -> np.ndarray:
    return torch.from_numpy(similarity / settings.temperature).softmax(1).numpy()


def _most_probable(factor: str, posterior: np.ndarray, gallery: Sequence[Clip]) -> np.ndarray:
    """The factor's text with the most probability over its sentences, of each row (N,)."""
    texts = np.array([getattr(clip, factor) for clip in gallery])
    classes = np.unique(texts)
    return classes[(posterior @ (texts[:, None] == classes[None])).argmax(1)]


def retrieval_scores(
    posterior: np.ndarray, clips: Sequence[Clip], gallery: Sequence[Clip]
) -> dict[str, float]:
    """In percent, and the count; `posterior` (N, T): of the gallery's sentences for each clip."""
    sentences = np.array([clip.sentence for clip in gallery])
    own = np.array([clip.sentence for clip in clips])
    ranking = np.argsort(-posterior, axis=1, kind="stable")
    hits = sentences[ranking] == own[:, None]
    scores = {"clips": len(clips)}
    for factor in ("action", "object"):
        correct = _most_probable(factor, posterior, gallery) == [getattr(c, factor) for c in clips]
        scores[factor] = 100 * float(np.mean(correct))
    for rank in (1, 5):
        scores[f"R@{rank}"] = 100 * float(hits[:, :rank].any(1).mean())
    return scores


def paper_drop(settings: RoboActSettings) -> float | None:
    """Points of success that the paper's ablation of this kind lost (Table III); else None."""
    ablations = {(ENDS, True): -10.5, (TRANSFORMER, False): -6.5}
    return ablations.get((settings.model.motion, settings.model.disentangle))
