# SPDX-License-Identifier: Apache-2.0
"""Linear probes: how much of each factor a branch of RoboAct-CLIP holds.

A branch that is disentangled tells its own factor to a linear classifier, and the others no better
than their most frequent class does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from m2r2_ros.datasets.clips import Clip
from m2r2_ros.networks.roboact.disentanglement import FACTORS
from m2r2_ros.networks.roboact.model import VideoFeatures
from m2r2_ros.training.roboact.embeddings import Video, VideoEmbeddings
from m2r2_ros.training.roboact.evaluation import clip_features
from m2r2_ros.training.roboact.trained import TrainedRoboAct

# What the row of all branches, and that of the most frequent class, are called.
WHOLE, CHANCE = "video", "most frequent"
_ITERATIONS = 1000


def probe_run(
    trained: TrainedRoboAct,
    training: Sequence[Clip],
    test: Sequence[Clip],
    videos: Mapping[Video, VideoEmbeddings],
) -> dict[str, dict[str, float]]:
    """Percent of the `test` clips whose factor a linear classifier finds: branch -> factor.

    Logistic regression, learned on the features of the `training` clips. A factor that has one
    class only is left out, as are test clips of a class that no training clip has.
    """
    learned, unseen = (clip_features(trained, clips, videos) for clips in (training, test))
    scores: dict[str, dict[str, float]] = {}
    for factor in FACTORS:
        known = np.array([getattr(clip, factor) for clip in training])
        wanted = np.array([getattr(clip, factor) for clip in test])
        rows = np.isin(wanted, known)
        if len(np.unique(known)) < 2 or not rows.any():
            continue
        for name, classifier, one, other in _probes(learned, unseen):
            correct = classifier.fit(one, known).predict(other[rows]) == wanted[rows]
            scores.setdefault(name, {})[factor] = 100 * float(correct.mean())
    return scores


def _probes(learned: VideoFeatures, unseen: VideoFeatures):
    """Name, classifier, training and test features of each probe."""
    parts = {WHOLE: (learned.video, unseen.video)}
    parts |= {name: (learned.branches[name], unseen.branches[name]) for name in learned.branches}
    for name, (one, other) in parts.items():
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_ITERATIONS))
        yield name, classifier, one.numpy(), other.numpy()
    yield CHANCE, DummyClassifier(), learned.video.numpy(), unseen.video.numpy()
