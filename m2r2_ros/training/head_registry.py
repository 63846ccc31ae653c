# SPDX-License-Identifier: Apache-2.0
"""The heads that can be trained: each file of `training/heads` is one, under the file's name.

Such a file defines `HEAD`, a HeadMethod; the head's network is in `networks/heads`, in a file of
the same name.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.training import heads
from m2r2_ros.vocabulary import Vocabulary

# What to do about a head that is of no use, though it was trained as it should be.
NOTHING_RECOGNISED = (
    "no action is recognised: train for longer (--epochs), on more recordings, or look at the "
    "labels (m2r2 inspect); docs/training.md says how much data is usual"
)


class HeadMethod(ABC):
    """How a head is trained.

    settings  frozen dataclass of its settings, with at least `seed` and `optimiser`.
    streams   whether the trained head is a graph that a robot runs, HEAD_FILE in the run folder;
              else `OfflineHead.load` applies it to whole recordings.
    """

    settings: type[Any]
    streams: ClassVar[bool]

    @abstractmethod
    def train(
        self,
        name: str,
        sequences: Sequence[LabelledFeatures],
        vocabulary: Vocabulary,
        out: Path,
        settings: Any,
        data: Path,
        rate: FrameRate = FrameRate(),  # noqa: B008 (frozen)
    ) -> str:
        """Train into the run folder `out`, going on if it was begun; returns a report in words.

        `name` is the head's in the run's settings, `vocabulary` that of the sequences' classes,
        `data` the folder that the features are from, `rate` how often the frames of this come.
        """


def head_names() -> tuple[str, ...]:
    """Names of all heads, from the files' names: no head is imported, and neither is torch."""
    names = (module.name for module in pkgutil.iter_modules(heads.__path__))
    return tuple(sorted(name for name in names if not name.startswith("_")))


def find_head(name: str) -> HeadMethod:
    """The head of this name. Raises M2R2Error when there is none."""
    if name not in head_names():
        raise M2R2Error(f"no head '{name}'{nearest_name(name, head_names())}")
    return importlib.import_module(f"{heads.__name__}.{name}").HEAD
