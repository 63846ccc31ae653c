# SPDX-License-Identifier: Apache-2.0
"""The `m2r2` entry in an exported model's ONNX metadata (docs/architecture.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import prod
from typing import Any

from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.tracker import SegmentTracker
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.labels import legacy_vocabulary
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.vocabulary import Vocabulary

METADATA_KEY = "m2r2"
FORMAT = 1
ROBOACT = "roboact"

# A file must not make us allocate without bound: larger than any sensible model by far.
_MAX_TEXT = 4 << 20
_MAX_NUMBERS = 1 << 24
# Frames: a head that answers a minute late is of no use to a robot.
MOST_LOOK_AHEAD = 600
MOST_RATE_HZ, MOST_SAMPLE_RATE = 1e6, 10_000
REDUCE_ABOVE = 64
_MOST_REDUCE_ABOVE = 10_000


@dataclass(frozen=True)
class EncoderMetadata:
    """`image_size` is the (height, width) that the graph resizes every frame to.

    reduce_above  pictures of more than so many times its pixels are made smaller before the graph.
                  Absent: 64, which is 1024 x 1024 for an encoder of 128 x 128.
    """

    layout: SensorLayout
    feature_dimension: int
    image_size: tuple[int, int]
    training_data: str
    reduce_above: int = field(default=REDUCE_ABOVE, kw_only=True)

    @property
    def max_pixels(self) -> int:
        """Pictures of more pixels are made smaller on the way in."""
        return self.reduce_above * self.image_size[0] * self.image_size[1]

    @property
    def window_bytes(self) -> int:
        """What a window's pictures, uint8, and its other samples, float32, take at most."""
        return 3 * self.max_pixels * len(self.layout.cameras) + 4 * self.layout.numbers

    def to_json(self) -> str:
        """Text for the ONNX file, the inverse of `from_json`."""
        return _dump("encoder", asdict(self) | {"layout": self.layout.to_dict()})

    @classmethod
    def from_json(cls, text: str | None, source: object) -> EncoderMetadata:
        """Parse the text found in `source`; of kind "roboact", a RoboActMetadata.

        Raises M2R2Error that names the source.
        """
        entry = _Entry(text, ("encoder", ROBOACT), source)
        if entry.get("kind", str) == ROBOACT:
            return RoboActMetadata.of(entry)
        return cls(**cls._fields(entry))

    @staticmethod
    def _fields(entry: _Entry) -> dict[str, Any]:
        try:
            layout = SensorLayout.from_dict(entry.get("layout", dict))
        except (M2R2Error, TypeError, ValueError, OverflowError) as error:
            raise entry.error(f"layout: {error}") from error
        size = entry.get("image_size", list)
        if len(size) != 2 or not all(type(side) is int and 0 < side < 10_000 for side in size):
            raise entry.error("image_size must be [height, width]")
        ratio = entry.get("reduce_above", int, REDUCE_ABOVE)
        if not 1 <= ratio <= _MOST_REDUCE_ABOVE:
            raise entry.error(
                f"reduce_above must be in [1, {_MOST_REDUCE_ABOVE}], got {brief(ratio)}"
            )
        return {
            "layout": layout,
            "feature_dimension": entry.dimension(),
            "image_size": (size[0], size[1]),
            "training_data": entry.get("training_data", str),
            "reduce_above": ratio,
        }


@dataclass(frozen=True)
class RoboActMetadata(EncoderMetadata):
    """An encoder of videos: `encoder.onnx` takes what `frame.onnx` gives, and carries a state.

    embedding_dimension  d, of one frame's embedding.
    frames, strides      windows of so many frames, every stride-th of the past; one block of the
                         feature for each camera and stride.
    temperature          of the similarities of feature and text.
    frame_sha256         of the `frame.onnx` that belongs to it.
    image_token          the cameras' blocks become the image tokens of an M2R2 in the same graph,
                         beside the other sensors of the layout. The feature is then M2R2's and
                         cannot be compared with texts.
    """

    embedding_dimension: int
    frames: int
    strides: tuple[int, ...]
    temperature: float
    frame_sha256: str
    image_token: bool = False

    def to_json(self) -> str:
        return _dump(ROBOACT, asdict(self) | {"layout": self.layout.to_dict()})

    @property
    def history(self) -> int:
        """Frames that the longest window reaches back to, the newest included."""
        return (self.frames - 1) * max(self.strides) + 1

    @property
    def blocks(self) -> int:
        """Blocks of the feature, each comparable to a text."""
        return len(self.layout.cameras) * len(self.strides)

    @classmethod
    def of(cls, entry: _Entry) -> RoboActMetadata:
        """Raises M2R2Error when an entry is missing or cannot be."""
        metadata = cls(
            **cls._fields(entry),
            embedding_dimension=entry.get("embedding_dimension", int),
            frames=entry.get("frames", int),
            strides=tuple(entry.get("strides", list)),
            temperature=entry.get("temperature", float),
            frame_sha256=entry.get("frame_sha256", str),
            image_token=entry.get("image_token", bool, False),
        )
        whole = all(type(stride) is int and stride > 0 for stride in metadata.strides)
        if not metadata.strides or not whole or metadata.frames < 2:
            raise entry.error(f"no windows: {metadata.frames} frames, strides {metadata.strides}")
        others = metadata.layout.audio or metadata.layout.signals
        if not metadata.layout.cameras or (others and not metadata.image_token):
            raise entry.error("its layout must be cameras and nothing else")
        numbers = metadata.history * metadata.embedding_dimension
        if metadata.embedding_dimension < 1 or numbers > _MAX_NUMBERS:
            raise entry.error(f"a history of {numbers} numbers")
        if not metadata.image_token and metadata.feature_dimension % metadata.blocks:
            raise entry.error(f"feature_dimension is no multiple of {metadata.blocks} blocks")
        if not metadata.temperature > 0:
            raise entry.error(f"temperature must be positive, got {metadata.temperature}")
        return metadata


@dataclass(frozen=True)
class HeadMetadata:
    """`labels`: index = class id. `states`: input name -> shape of the carried state.

    look_ahead  frames by which the answer lags: that at frame t is about frame t - look_ahead,
                before that about the first frame. Absent: 0.
    vocabulary  what the labels mean, as the file states it; None in one that does not.
    rate_hz     frames a second that the head takes; None in a file that does not say it.
    sample_rate  it takes every so many-th frame of the features that it was trained on.
    procedure   how long labels last and what follows what; None: labels are believed by waiting.
    """

    labels: tuple[str, ...]
    feature_dimension: int
    states: Mapping[str, tuple[int, ...]]
    encoder_sha256: str
    training_data: str
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    look_ahead: int = 0
    vocabulary: Vocabulary | None = None
    rate_hz: float | None = None
    sample_rate: int = 1
    procedure: Procedure | None = None

    @property
    def known_vocabulary(self) -> Vocabulary:
        """The stated vocabulary, else what the labels meant before there was one."""
        return self.vocabulary or legacy_vocabulary(self.labels)

    def new_tracker(self, config: TrackerConfig | None = None, first_id: int = 0) -> SegmentTracker:
        """What makes segments of this head's answers, with its own parameters unless given."""
        config = config or self.tracker
        return SegmentTracker(self.known_vocabulary, config, first_id, self.procedure)

    def to_json(self) -> str:
        """Text for the ONNX file, the inverse of `from_json`."""
        values = asdict(replace(self, vocabulary=None, procedure=None))
        if self.rate_hz is None:
            del values["rate_hz"]
        for name in ("vocabulary", "procedure"):
            stated = getattr(self, name)
            del values[name]
            if stated is not None:
                values[name] = stated.to_dict()
        return _dump("head", values)

    def check_encoder(self, head: object, sha256: str, encoder: object = "the one in use") -> None:
        """Raise M2R2Error, naming the head, unless the encoder with this SHA-256 gave its features,
        and the head takes all of them.

        `encoder` is how the message calls the encoder.
        """
        if not self.encoder_sha256 and sha256:
            raise M2R2Error(
                f"{head}: does not say which encoder it was trained on, so that it cannot follow "
                f"{encoder}: train it on features of `m2r2 extract`"
            )
        if sha256 != self.encoder_sha256:
            raise M2R2Error(
                f"{head}: was trained on another encoder (sha256 {self.encoder_sha256[:12]}...) "
                f"than {encoder} ({sha256[:12]}...)"
            )
        if self.sample_rate > 1:
            raise M2R2Error(
                f"{head}: takes one feature in {self.sample_rate}, and a robot gives it each: "
                "train it without --sample-rate"
            )

    @classmethod
    def from_json(cls, text: str | None, source: object) -> HeadMetadata:
        """Parse the text found in `source`. Raises M2R2Error that names it."""
        entry = _Entry(text, ("head",), source)
        labels = _labels(entry)
        try:
            tracker = TrackerConfig.from_dict(entry.get("tracker", dict))
            vocabulary = _vocabulary(entry, labels)
            procedure = _procedure(entry, vocabulary or legacy_vocabulary(labels))
        except M2R2Error as error:
            raise entry.error(str(error)) from error
        look_ahead = entry.get("look_ahead", int, default=0)
        if not 0 <= look_ahead <= MOST_LOOK_AHEAD:
            raise entry.error(
                f"look_ahead must be in [0, {MOST_LOOK_AHEAD}], got {brief(look_ahead)}"
            )
        return cls(
            labels=labels,
            feature_dimension=entry.dimension(),
            states=_states(entry),
            encoder_sha256=entry.get("encoder_sha256", str),
            training_data=entry.get("training_data", str),
            tracker=tracker,
            look_ahead=look_ahead,
            vocabulary=vocabulary,
            rate_hz=_rate(entry),
            sample_rate=_sample_rate(entry),
            procedure=procedure,
        )


def _procedure(entry: _Entry, vocabulary: Vocabulary) -> Procedure | None:
    values = entry.get("procedure", dict, {})
    return Procedure.from_dict(values, vocabulary) if values else None


def _vocabulary(entry: _Entry, labels: tuple[str, ...]) -> Vocabulary | None:
    """The stated one, None without. Raises M2R2Error when it, or `labels` alone, cannot be."""
    values = entry.get("vocabulary", dict, {})
    vocabulary = Vocabulary.from_dict(values) if values else None
    if (vocabulary or legacy_vocabulary(labels)).labels != labels:
        raise M2R2Error("'vocabulary' has other labels than 'labels'")
    return vocabulary


def _rate(entry: _Entry) -> float | None:
    rate_hz = entry.get("rate_hz", float, 0.0)
    if not 0 <= rate_hz < MOST_RATE_HZ:
        raise entry.error(f"rate_hz must be in (0, {MOST_RATE_HZ:g}), got {brief(rate_hz)}")
    return rate_hz or None


def _sample_rate(entry: _Entry) -> int:
    sample_rate = entry.get("sample_rate", int, 1)
    if not 1 <= sample_rate <= MOST_SAMPLE_RATE:
        raise entry.error(
            f"sample_rate must be in [1, {MOST_SAMPLE_RATE}], got {brief(sample_rate)}"
        )
    return sample_rate


def _labels(entry: _Entry) -> tuple[str, ...]:
    labels = entry.get("labels", list)
    texts = all(isinstance(label, str) and label.strip() for label in labels)
    if not labels or not texts or len(set(labels)) != len(labels):
        raise entry.error("labels must be a list of different, non-empty texts")
    return tuple(labels)


def _states(entry: _Entry) -> dict[str, tuple[int, ...]]:
    states = entry.get("states", dict)
    for name, shape in states.items():
        whole = isinstance(shape, list) and all(type(n) is int and n > 0 for n in shape)
        if not name.startswith("state_") or not whole or prod(shape) > _MAX_NUMBERS:
            raise entry.error(f"states: '{name}' must be 'state_<i>': [sizes], got {brief(shape)}")
    return {name: tuple(shape) for name, shape in states.items()}


class _Entry:
    """The parsed JSON object of one model, with errors that name the file."""

    def __init__(self, text: str | None, kinds: Sequence[str], source: object) -> None:
        self._source = source
        self._values = self._parse(text)
        version = self.get("format", int)
        if version > FORMAT:
            raise self.error(f"format {brief(version)} is newer than {FORMAT}: update m2r2_ros")
        if version != FORMAT:
            raise self.error(f"format must be {FORMAT}, got {brief(version)}")
        if self.get("kind", str) not in kinds:
            raise self.error(f"this is of kind '{self._values['kind']:.40}', not '{kinds[0]}'")

    def _parse(self, text: str | None) -> dict[str, Any]:
        if text is None:
            raise M2R2Error(
                f"{self._source}: no model of this package: its ONNX metadata has no "
                f"'{METADATA_KEY}' entry (m2r2 export writes one)"
            )
        if len(text) > _MAX_TEXT:
            raise self.error(f"longer than {_MAX_TEXT} characters")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.error(f"not JSON: {error}") from error
        if not isinstance(values, dict):
            raise self.error("not a JSON object")
        return values

    def error(self, problem: str) -> M2R2Error:
        return M2R2Error(f"{self._source}: metadata '{METADATA_KEY}': {problem}")

    def get(self, name: str, kind: type, default: Any = None) -> Any:
        """The entry `name` of type `kind`, which must be there unless there is a default."""
        if name not in self._values:
            if default is not None:
                return default
            near = [match for match in self._values if nearest_name(match, [name])]
            found = f" (found '{near[0]:.40}')" if near else ""
            raise self.error(f"'{name}' is missing{found}")
        value = self._values[name]
        if type(value) is not kind:
            raise self.error(f"'{name}' must be {kind.__name__}, got {type(value).__name__}")
        return value

    def dimension(self) -> int:
        value = self.get("feature_dimension", int)
        if not 0 < value <= _MAX_NUMBERS:
            raise self.error(f"feature_dimension must be positive, got {brief(value)}")
        return value


def _dump(kind: str, values: dict[str, Any]) -> str:
    return json.dumps({"format": FORMAT, "kind": kind} | values)
