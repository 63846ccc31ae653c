# SPDX-License-Identifier: Apache-2.0
"""The folder layout in which temporal action segmentation keeps its data sets (MS-TCN's).

    features/<recording>.npy        float32, D x T
    groundTruth/<recording>.txt     one label a frame, T lines
    mapping.txt                     one "<id> <label>" a class, ids 0 to C - 1
    splits/train.split<N>.bundle    one "<recording>.txt" a line; test.split<N>.bundle likewise
    stamps/<recording>.npy          int64, T: where each frame ends [ns]; not in MS-TCN's own sets
    outcomes/<recording>.txt        success, failure or unknown a frame, T lines; likewise, and only
                                    where somebody has said what came of an action

50Salads, GTEA and Breakfast come this way, `m2r2 extract` writes it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tokenize import TokenError

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.feature_file import (
    MAX_FEATURE_VALUES,
    StoredFeatures,
    read_columns,
    write_columns,
)
from m2r2_ros.datasets.frame_outcomes import outcome_ids
from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.recording import Action
from m2r2_ros.errors import M2R2Error, brief, nearest_name, nearest_path
from m2r2_ros.labels import label_from_text
from m2r2_ros.small_files import open_file
from m2r2_ros.vocabulary import UNKNOWN, UNLABELLED

MAX_TEXT_BYTES = 64 * 2**20
# A file's name may have 255 bytes, its ending among them.
_MAX_NAME_BYTES = 250
# What a line of text ends with; Python's splitlines knows eight more.
_LINE_END = re.compile(r"\r\n|\n|\r")
_SPLIT = re.compile(r"(?:train|test)\.split(\d{1,9})\.bundle", re.ASCII)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# torch's cross entropy ignores this class.
IGNORED = -100


@dataclass(frozen=True)
class LabelledFeatures:
    """One recording: features float32 (T, D), its T labels, and their ids int64 (T,).

    StoredFeatures are read by `np.asarray`. The id of an unlabelled frame is IGNORED.
    stamps_ns int64 (T,): where the frames end, None where that is not known.
    outcomes int64 (T,): FAILED, SUCCEEDED or UNJUDGED, None where nobody has said any.
    progress float32 (T,): share of its action that is done at the end of a frame, NaN where there
    is none; None where it has not been worked out.
    """

    name: str
    features: np.ndarray | StoredFeatures
    labels: list[str]
    classes: np.ndarray
    stamps_ns: np.ndarray | None = None
    outcomes: np.ndarray | None = None
    progress: np.ndarray | None = None

    def sampled(self, rate: FrameRate) -> LabelledFeatures:
        """The frames of it that a head takes."""
        parts = map(rate.sampled, (self.features, self.labels, self.classes))
        known = (None if x is None else rate.sampled(x) for x in (self.stamps_ns, self.outcomes))
        return LabelledFeatures(self.name, *parts, *known)


@dataclass(frozen=True)
class Split:
    """Names of the recordings to train on and to test on."""

    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def problems(self) -> list[str]:
        """What makes its scores worth less, a line each."""
        both = sorted(set(self.train) & set(self.test))
        if not both:
            return []
        more = f" and {len(both) - 1} more" if len(both) > 1 else ""
        return [f"'{both[0]}'{more} is in train and in test: its scores are not those of new data"]


class FeatureFolder:
    """Reads a folder in this layout. Every problem is a M2R2Error that names the file.

    crop     features and labels of different numbers of frames are cut to the shorter.
    cropped  recording -> how many frames that took from the longer, of those that were read.
    """

    def __init__(self, path: Path | str, crop: bool = False) -> None:
        self.path, self.crop = Path(path), crop
        self.cropped: dict[str, int] = {}
        if not self.path.is_dir():
            raise M2R2Error(f"{self.path}: no such folder{nearest_path(self.path)}")

    @cached_property
    def labels(self) -> list[str]:
        """Labels by class id."""
        path = self.path / "mapping.txt"
        labels: dict[int, str] = {}
        known: set[str] = set()
        for line in read_lines(path):
            number, _, label = line.replace("\t", " ", 1).partition(" ")
            label = label.strip()
            if not (number.isascii() and number.isdigit() and len(number) < 9 and label):
                raise M2R2Error(f"{path}: {brief(line)} is not '<id> <label>'")
            if int(number) in labels or label in known:
                raise M2R2Error(f"{path}: {brief(line)} is there twice")
            labels[int(number)] = label
            known.add(label)
        if not labels or sorted(labels) != list(range(len(labels))):
            raise M2R2Error(f"{path}: the ids are not 0 to {len(labels) - 1}")
        return [labels[number] for number in range(len(labels))]

    @property
    def cropped_report(self) -> str:
        """What was cut of the recordings that were read; "" for nothing."""
        if not self.cropped:
            return ""
        name, most = max(self.cropped.items(), key=lambda entry: entry[1])
        return (
            f"{len(self.cropped)} recordings are cut to the shorter of features and labels, by "
            f"{sum(self.cropped.values())} frames, the most of '{name}' by {most}"
        )

    @property
    def splits(self) -> list[int]:
        """Numbers of the splits that have a file."""
        names = (_SPLIT.fullmatch(path.name) for path in self.path.glob("splits/*.bundle"))
        return sorted({int(match[1]) for match in names if match})

    @property
    def recordings(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the recordings with features and ground truth, and of those without."""
        files = self.path.glob("features/*.npy")
        names = sorted(file.name.removesuffix(".npy") for file in files)
        known = {name for name in names if self._truth_path(name).is_file()}
        return tuple(n for n in names if n in known), tuple(n for n in names if n not in known)

    def split(self, number: int) -> Split:
        """Split `number`, with every recording checked to have features and ground truth."""
        return Split(*(self._bundle(part, number) for part in ("train", "test")))

    def read(self, name: str) -> LabelledFeatures:
        """One recording; its lengths agree, its labels are in the mapping, all is finite."""
        features, labels = self.features(name), self.ground_truth(name)
        if len(features) != len(labels):
            features, labels = self._cropped(name, features, labels)
        ids = {label: number for number, label in enumerate(self.labels)} | {UNLABELLED: IGNORED}
        classes = np.array([ids[label] for label in labels], np.int64)
        stamps_ns = self.stamps(name)
        if stamps_ns is not None and self.crop:
            stamps_ns = stamps_ns[: len(labels)]
        if stamps_ns is not None and len(stamps_ns) != len(labels):
            raise M2R2Error(
                f"{self.path}: {name} has {len(labels)} frames, {len(stamps_ns)} stamps"
            )
        outcomes = self.outcomes(name, len(labels))
        return LabelledFeatures(name, features, labels, classes, stamps_ns, outcomes)

    def unloaded(self, read: LabelledFeatures) -> LabelledFeatures:
        """What `read` has given, with the features left in their file."""
        stored = StoredFeatures(self._feature_path(read.name), *read.features.shape)
        return replace(read, features=stored)

    def _cropped(
        self, name: str, features: np.ndarray, labels: list[str]
    ) -> tuple[np.ndarray, list[str]]:
        path = self._feature_path(name)
        if features.shape[1] == len(labels):
            raise M2R2Error(
                f"{path}: holds a row a frame (T x D), this layout has a column a frame (D x T): "
                "transpose it, np.save(file, np.load(file).T)"
            )
        if not self.crop:
            raise M2R2Error(
                f"{self._truth_path(name)}: {len(labels)} labels, but {path} has {len(features)} "
                "frames (--crop cuts to the shorter)"
            )
        frames = min(len(features), len(labels))
        self.cropped[name] = max(len(features), len(labels)) - frames
        return features[:frames], labels[:frames]

    def features(self, name: str) -> np.ndarray:
        """Features float32 (T, D), T and D at least 1."""
        return read_columns(self._feature_path(name))

    def stamps(self, name: str) -> np.ndarray | None:
        """Where each frame ends, int64 (T,) [ns], strictly increasing; None where none are kept."""
        path = self.path / "stamps" / f"{name}.npy"
        return _read_stamps(path) if path.exists() else None

    def stamped_rate(self) -> float | None:
        """Frames a second by the stamps of the first recording that has two; None without any."""
        for path in sorted(self.path.glob("stamps/*.npy")):
            stamps_ns = _read_stamps(path)
            if len(stamps_ns) > 1:
                return 1e9 / float(np.median(np.diff(stamps_ns)))
        return None

    def ground_truth(self, name: str) -> list[str]:
        """One label a frame, each in the mapping or "unlabelled"."""
        path = self._truth_path(name)
        labels = read_lines(path)
        for label in set(labels).difference(self.labels, [UNLABELLED]):
            near = nearest_name(label, self.labels)
            raise M2R2Error(f"{path}: label {brief(label)} is not in mapping.txt{near}")
        return labels

    def outcomes(self, name: str, frames: int) -> np.ndarray | None:
        """FAILED, SUCCEEDED or UNJUDGED of each frame, int64 (T,); None where none are kept."""
        path = self.path / "outcomes" / f"{name}.txt"
        if not path.exists():
            return None
        lines = read_lines(path)
        lines = lines[:frames] if self.crop else lines
        if len(lines) != frames:
            raise M2R2Error(f"{path}: {len(lines)} outcomes of {frames} frames")
        try:
            return outcome_ids(lines)
        except M2R2Error as error:
            raise M2R2Error(f"{path}: {error}") from error

    def _bundle(self, part: str, number: int) -> tuple[str, ...]:
        path = self.path / "splits" / f"{part}.split{number}.bundle"
        if not path.exists():
            there = ", ".join(map(str, self.splits)) or "none"
            raise M2R2Error(f"{path}: no such file (splits that are there: {there})")
        names = tuple(line.removesuffix(".txt") for line in read_lines(path))
        if not names:
            raise M2R2Error(f"{path}: names no recording")
        for name, count in Counter(names).items():
            if Path(name).name != name or len(name.encode()) > _MAX_NAME_BYTES:
                raise M2R2Error(f"{path}: {brief(name)} is not the name of a recording")
            if count > 1:
                raise M2R2Error(f"{path}: names {brief(name)} {count} times: leave it in once")
            for file in (self._feature_path(name), self._truth_path(name)):
                if not file.is_file():
                    raise M2R2Error(f"{path}: names {name}, but {file} is missing")
        return names

    def _feature_path(self, name: str) -> Path:
        return self.path / "features" / f"{name}.npy"

    def _truth_path(self, name: str) -> Path:
        return self.path / "groundTruth" / f"{name}.txt"


def check_name(name: str) -> None:
    """Raise M2R2Error unless a recording can be called so in a bundle, a line of text."""
    if not name.isprintable() or name != name.strip() or Path(name).name != name:
        raise M2R2Error(f"'{name}' is no name for a file of a data set: rename it")


def write_recording_features(
    folder: Path,
    name: str,
    features: np.ndarray,
    labels: Sequence[str] | None,
    stamps_ns: np.ndarray | None = None,
    outcomes: Sequence[str] | None = None,
) -> None:
    """Write features (T, D), their T labels, where the T frames end, and what came of the action
    at each, as far as they are known.

    Raises M2R2Error when lengths differ.
    """
    if features.ndim != 2 or not len(features):
        raise M2R2Error(f"{name}: features {features.shape} are not (T, D)")
    if labels is not None and len(features) != len(labels):
        raise M2R2Error(f"{name}: features {features.shape} do not fit {len(labels)} labels")
    if stamps_ns is not None:
        _write_stamps(folder / "stamps" / f"{name}.npy", stamps_ns, len(features))
    path = folder / "outcomes" / f"{name}.txt"
    if outcomes is None:
        path.unlink(missing_ok=True)
    elif len(outcomes) != len(features):
        raise M2R2Error(f"{name}: features {features.shape} do not fit {len(outcomes)} outcomes")
    else:
        write_lines(path, outcomes)
    write_columns(folder / "features" / f"{name}.npy", features)
    if labels is not None:
        write_lines(folder / "groundTruth" / f"{name}.txt", labels)


def write_prediction(
    folder: Path, name: str, labels: Sequence[str], probabilities: np.ndarray | None = None
) -> None:
    """Write a recording's T predicted labels and the posterior (T, C) behind them, if any.

    predictions/<name>.txt is written last, a label a line: MS-TCN's own form, one line of labels
    with spaces between, cannot hold labels with spaces in them.
    """
    if probabilities is not None:
        write_columns(folder / "probabilities" / f"{name}.npy", probabilities)
    write_lines(folder / "predictions" / f"{name}.txt", labels)


def read_prediction(
    folder: Path, name: str, classes: Sequence[str], coarse: Iterable[str] = ()
) -> tuple[list[str], np.ndarray | None]:
    """Read what `write_prediction` wrote: T labels and the posterior float32 (T, C), if any.

    `classes` are those of the folder's mapping.txt. A segment tracker also says "unknown", and a
    `coarse` label when it cannot tell the object. Raises M2R2Error that names the file.
    """
    path = folder / "predictions" / f"{name}.txt"
    labels, posterior = read_lines(path), folder / "probabilities" / f"{name}.npy"
    for label in set(labels).difference(classes, coarse, [UNKNOWN]):
        near = nearest_name(label, classes)
        raise M2R2Error(f"{path}: label {brief(label)} is not in mapping.txt{near}")
    if not posterior.exists():
        return labels, None
    probabilities = read_columns(posterior)
    if probabilities.shape != (len(labels), len(classes)):
        raise M2R2Error(
            f"{posterior}: holds {probabilities.shape[1]} classes of {len(probabilities)} frames, "
            f"expected {len(classes)} of {len(labels)}"
        )
    return labels, probabilities


def write_mapping(folder: Path, labels: Sequence[str]) -> None:
    """Write mapping.txt: class id = place in `labels`."""
    write_lines(folder / "mapping.txt", (f"{number} {name}" for number, name in enumerate(labels)))


def write_split(folder: Path, number: int, split: Split) -> None:
    """Write both bundles of a split."""
    for part, names in (("train", split.train), ("test", split.test)):
        path = folder / "splits" / f"{part}.split{number}.bundle"
        write_lines(path, (f"{name}.txt" for name in names))


def frame_labels(
    actions: Iterable[Action], times_s: Sequence[float] | np.ndarray, gap: str = UNLABELLED
) -> list[str]:
    """Label of each time (same origin as the actions): of the action in [start, end).

    Where none is, `gap`; where several are, the one that started last. An action without a name,
    or "unknown", is unlabelled.
    """
    labels = np.full(len(times_s), gap, dtype=object)
    times = np.asarray(times_s, dtype=np.float64)
    for action in sorted(actions, key=lambda action: action.start_s):
        inside = (times >= action.start_s) & (times < action.end_s)
        label = label_from_text(action.text)
        labels[inside] = UNLABELLED if label in ("", UNKNOWN) else label
    return labels.tolist()


def _read_stamps(path: Path) -> np.ndarray:
    try:
        stamps = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, MemoryError, TokenError) as error:
        raise M2R2Error(f"{path}: not a .npy file of stamps, or truncated") from error
    if stamps.ndim != 1 or stamps.dtype != np.int64 or not 0 < stamps.size <= MAX_FEATURE_VALUES:
        raise M2R2Error(f"{path}: holds {stamps.dtype} {stamps.shape}, expected int64 (T,)")
    stamps = np.array(stamps)
    if not (stamps[1:] > stamps[:-1]).all():
        raise M2R2Error(f"{path}: the stamps do not increase")
    return stamps


def _write_stamps(path: Path, stamps_ns: np.ndarray, frames: int) -> None:
    if stamps_ns.shape != (frames,):
        raise M2R2Error(f"{path}: {stamps_ns.shape} stamps do not fit {frames} frames")
    with partial_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, stamps_ns.astype(np.int64), allow_pickle=False)


def read_lines(path: Path) -> list[str]:
    """A text file's lines, without blank ones. Raises M2R2Error."""
    try:
        with open_file(path) as file:
            data = file.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise M2R2Error(f"{path}: larger than {MAX_TEXT_BYTES} bytes")
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except FileNotFoundError as error:
        raise M2R2Error(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise M2R2Error(f"{path}: cannot be read as text") from error
    return [line.strip() for line in _LINE_END.split(text) if line.strip()]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file that appears when it is complete."""
    with partial_file(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), "utf-8")
