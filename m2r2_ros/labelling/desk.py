# SPDX-License-Identifier: Apache-2.0
"""One recording on the page: its data, its labels, and what is made for it in the background."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.annotations import MAX_STAMP_NS
from m2r2_ros.datasets.recording_labels import IMPORT, Label, RecordingLabels
from m2r2_ros.datasets.recording_source import RecordingSource
from m2r2_ros.datasets.stated_vocabulary import stated_vocabulary
from m2r2_ros.datasets.vocabulary_file import VOCABULARY_FILE
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.inference.models import Models
from m2r2_ros.labelling.label_store import LabelStore, cuts_file, extended
from m2r2_ros.labelling.maker import ProxyMaker
from m2r2_ros.labelling.motion import motion_of
from m2r2_ros.labelling.opened import OpenedRecording, open_recording_of_page
from m2r2_ros.labelling.proposals import model_proposals
from m2r2_ros.labelling.proxies import Proxies, proxies_of
from m2r2_ros.labels import label_from_text
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.vocabulary import Vocabulary, is_label


@dataclass(frozen=True)
class DeskSettings:
    """What all recordings of a page share; `cache` is the folder for what is made of them."""

    layout: SensorLayout
    cache: Path
    deployment: Deployment = field(default_factory=Deployment)
    models: Models | None = None
    vocabulary: Vocabulary | None = None


class Desk:
    """Raises M2R2Error when the recording or its labels cannot be read."""

    def __init__(self, path: Path, settings: DeskSettings) -> None:
        self.path, self._settings = path, settings
        self._stack = ExitStack()
        self.notes: list[str] = []
        self._stated = settings.vocabulary or _beside(path)
        topics, layout = settings.deployment.topics, settings.layout
        with ExitStack() as opening:
            opened = opening.enter_context(open_recording_of_page(path, topics, layout))
            self.recording: OpenedRecording = opened
            models = settings.models
            start = _inside(opened.source, opened.epoch_ns, models and models.head.vocabulary)
            self.labels = LabelStore(path, start, self._stated, cuts_file(settings.cache, path))
            self.proxies: Proxies = proxies_of(path, opened, settings.cache)
            self._stack = opening.pop_all()
        self._motion = motion_of(path, topics, opened.layout)
        self.maker = ProxyMaker(self.proxies, lambda: open_recording_of_page(path, topics, layout))
        self.proposing = ""
        if settings.models is not None:
            self._start_models(settings.models)

    def close(self) -> None:
        self.maker.close()
        self._stack.close()

    def to_dict(self) -> dict[str, Any]:
        """What the page has to know at first, JSON-ready."""
        recording = self.recording
        return {
            "name": printable(recording.name),
            "key": self.labels.key,
            "start": recording.seconds(recording.start_ns),
            "end": recording.seconds(recording.end_ns),
            "cameras": list(recording.layout.cameras),
            "plots": [plot.to_dict() for plot in recording.plots],
            "parts": self.proxies.parts,
            "names": self.names(),
            "fixed": self._stated is not None,
            "cuts": self._motion is not None,
        }

    def state(self) -> dict[str, Any]:
        """What changes by itself, JSON-ready."""
        maker = self.maker
        notes = [*self.recording.problems, *maker.problems, *self.notes]
        notes += [maker.problem] if maker.problem else []
        return {
            "revision": self.labels.read().revision,
            "made": len(self.proxies.made),
            "proposing": self.proposing,
            "notes": list(dict.fromkeys(notes)),
        }

    def names(self) -> list[dict[str, Any]]:
        """The labels to choose from, in the vocabulary's order, idle ones last.

        So that the number keys are those of `m2r2 record`.
        """
        vocabulary = self._stated or self.labels.read().labels.meaning
        names = sorted(vocabulary.labels, key=vocabulary.is_idle)
        return [{"label": name, "idle": vocabulary.is_idle(name)} for name in names]

    def cut(self) -> dict[str, list[float]]:
        """Where the arm rests, and where its path turns [seconds]. Raises M2R2Error."""
        if self._motion is None:
            raise M2R2Error("no pose is among the signals: there is no motion to cut by")
        stamps = {"rests": self._motion.rests(), "turns": self._motion.turns()}
        return {kind: list(map(self.recording.seconds, each)) for kind, each in stamps.items()}

    def _start_models(self, models: Models) -> None:
        self.proposing = "the model is looking at the recording"

        def run() -> None:
            try:
                found = model_proposals(self.path, models, self._settings.deployment, self._motion)
                self.notes += self.labels.propose(found)
            except M2R2Error as error:
                self.notes.append(str(error))
                print(error, file=sys.stderr)
            finally:
                self.proposing = ""

        threading.Thread(target=run, name="proposals", daemon=True).start()


def _beside(path: Path) -> Vocabulary | None:
    """A file of labels may come to know more of them; a vocabulary.yaml beside it says all."""
    stated = stated_vocabulary(path)
    return stated.vocabulary if stated and stated.path.name == VOCABULARY_FILE else None


def _inside(source: RecordingSource, epoch_ns: int, model: Vocabulary | None) -> RecordingLabels:
    """The labels inside a recording, to start from where there are none beside it.

    Where nothing says what labels mean, they mean what they mean to the `model`.
    """
    labels: list[Label] = []
    for action in source.actions or ():
        name = label_from_text(action.text)
        span = (round(s * 1e9) + source.start_ns for s in (action.start_s, action.end_s))
        start_ns, end_ns = (min(max(ns, 0), MAX_STAMP_NS - 1) for ns in span)
        start_ns = max(start_ns, labels[-1].end_ns if labels else 0)
        if is_label(name) and start_ns < end_ns:
            labels.append(Label(start_ns, end_ns, name, action.outcome, IMPORT))
    if source.actions is not None and len(labels) < len(source.actions):
        left = len(source.actions) - len(labels)
        source.problems.append(f"{left} labels inside are left out: no class, or within others")
    stated = source.vocabulary
    if stated is None and model is not None:
        stated = extended(model, [label.label for label in labels])
    complete = source.complete and bool(labels)
    return RecordingLabels(epoch_ns, tuple(labels), complete, stated)
