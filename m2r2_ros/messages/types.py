# SPDX-License-Identifier: Apache-2.0
"""Which message types may carry which modality."""

from __future__ import annotations

from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.messages.camera import CAMERA_TYPES
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.common_audio import AUDIO_TYPES
from m2r2_ros.messages.signals import of_any_package
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.signal import Signal
from m2r2_ros.signal_presets import NUMBERS, STAMPED_NUMBERS

# Video that is not read: its pictures need parameters that are sent once, to who subscribes first.
THEORA = "theora_image_transport/msg/Packet"


def accepted_types(layout: SensorLayout, modality: str) -> tuple[str, ...]:
    """Types for a modality of a sensor layout. Raises M2R2Error when the layout has no such."""
    if modality not in layout.modalities:
        near = nearest_name(modality, layout.modalities)
        raise M2R2Error(f"the sensor layout has no '{modality}'{near}")
    if modality in layout.cameras:
        return CAMERA_TYPES
    return AUDIO_TYPES if modality == AUDIO else _signal_types(layout.signals[modality])


def _signal_types(signal: Signal) -> tuple[str, ...]:
    types = (*signal.kind.types, *signal.kind.fields)
    if signal.width == 1:
        return types
    return tuple(name for name in types if name not in (*STAMPED_NUMBERS, *NUMBERS))


def check_type(layout: SensorLayout, modality: str, type_name: str) -> None:
    """Raise MessageError unless messages of `type_name` can carry `modality`."""
    accepted = accepted_types(layout, modality)
    if {type_name, of_any_package(type_name)}.intersection(accepted):
        return
    remedy = "; let its driver send `compressed`" if type_name == THEORA else ""
    if modality in layout.signals:
        accepted = layout.signals[modality].kind.types
        remedy = f"; signals.{modality}.fields says where its numbers are in another type"
    raise MessageError(f"'{modality}' needs {' or '.join(accepted)}, not {type_name}{remedy}")
