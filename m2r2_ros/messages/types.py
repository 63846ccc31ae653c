# SPDX-License-Identifier: Apache-2.0
"""Which message types may carry which modality."""

from __future__ import annotations

from m2r2_ros.messages.audio_chunks import AUDIO_CHUNK
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.images import IMAGE_TYPES
from m2r2_ros.messages.signals import JOINTS, POSE, SCALARS, TWIST, WRENCH
from m2r2_ros.sensing.layout import AUDIO

_TYPES = {
    AUDIO: (AUDIO_CHUNK,),
    "wrench": (WRENCH,),
    "pose": (POSE,),
    "twist": (TWIST,),
    # Any package's stamped number will do.
    "gripper": (JOINTS, *(f"*/msg/{name}" for name in SCALARS)),
}


def accepted_types(modality: str) -> tuple[str, ...]:
    """Types for a modality of a sensor layout; what is no signal and not audio is a camera."""
    return _TYPES.get(modality, IMAGE_TYPES)


def check_type(modality: str, type_name: str) -> None:
    """Raise MessageError unless messages of `type_name` can carry `modality`."""
    accepted = accepted_types(modality)
    if type_name not in accepted and f"*/msg/{type_name.split('/')[-1]}" not in accepted:
        raise MessageError(f"'{modality}' needs {' or '.join(accepted)}, not {type_name}")
