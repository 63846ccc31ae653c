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
from m2r2_ros.training.losses import unit
from m2r2_ros.training.roboact.embeddings import Video, VideoEmbeddings
from m2r2_ros.training.roboact.pretrain import pair_of
from m2r2_ros.training.roboact.sampling import ClipSampler
from m2r2_ros.training.roboact.settings import RoboActSettings
from m2r2_ros.training.roboact.trained import TrainedRoboAct

SEEN, HELD_OUT = "seen pairs", "held-out pairs"
_BATCH = 64


@torch.no_grad()
def score_run(
    trained: TrainedRoboAct, clips: Sequence[Clip], videos: Mapping[Video, VideoEmbeddings]
) -> dict[str, Any]:
    """Scores in percent of the clips with pairs seen in training, and of those held out.

    The gallery holds each sentence of the clips once. `action`, `object`: the most probable one is
    the clip's, where it has the probabilities of all its sentences (softmax of (23));
    `R@1`, `R@5`: the clip's sentence is among the 1 or 5 nearest.
    `branch cosine` is the mean cosine of two branches, of -1 to 1.
    """
    module = trained.module
    sampler = ClipSampler(clips, videos, trained.settings.model.frames)
    found, cosines = [], []
    for make_batch in sampler.ordered(_BATCH):
        frames = make_batch().frames
        features = module.video(frames, torch.ones(frames.shape[:2], dtype=torch.bool))
        found.append(features.video)
        for one, other in combinations(features.branches.values(), 2):
            cosines.append(functional.cosine_similarity(one, other))
    gallery = gallery_of(clips)
    texts = module.text_features([clip.sentence for clip in gallery])
    scores = grouped_scores(torch.cat(found), texts, clips, gallery, trained)
    if cosines:
        scores["branch cosine"] = float(torch.cat(cosines).mean())
    return scores


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
    """Scores by group of pairs; groups without a clip are left out."""
    similarity = unit(video) @ unit(text).T
    posterior = (similarity / trained.settings.temperature).softmax(1).numpy()
    held_out = np.array([pair_of(c) in trained.settings.held_out_pairs for c in clips], dtype=bool)
    found = {}
    for name, rows in ((SEEN, ~held_out), (HELD_OUT, held_out)):
        chosen = [clip for clip, row in zip(clips, rows, strict=True) if row]
        if chosen:
            found[name] = retrieval_scores(posterior[rows], chosen, gallery)
    return found


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
        texts = np.array([getattr(clip, factor) for clip in gallery])
        classes = np.unique(texts)
        totals = posterior @ (texts[:, None] == classes[None])
        correct = classes[totals.argmax(1)] == [getattr(clip, factor) for clip in clips]
        scores[factor] = 100 * float(np.mean(correct))
    for rank in (1, 5):
        scores[f"R@{rank}"] = 100 * float(hits[:, :rank].any(1).mean())
    return scores


def paper_drop(settings: RoboActSettings) -> float | None:
    """Points of success that the paper's ablation of this kind lost (Table III); else None."""
    ablations = {(ENDS, True): -10.5, (TRANSFORMER, False): -6.5}
    return ablations.get((settings.model.motion, settings.model.disentangle))
