# SPDX-License-Identifier: Apache-2.0
"""What a user gives as models: a folder, or a name on the hub."""

from __future__ import annotations

import os
from pathlib import Path

from m2r2_ros.errors import M2R2Error
from m2r2_ros.hub.fetch import Say, fetch
from m2r2_ros.hub.name import HubName
from m2r2_ros.inference.models import ENCODER_FILE


def models_folder(given: str | Path, say: Say) -> Path:
    """The folder that is given; of a name its copy in the cache. Raises M2R2Error."""
    name = _name(given)
    return fetch(name, say) if name else Path(os.path.expanduser(given))


def encoder_file(given: str | Path, say: Say) -> Path:
    """The file that is given; of a name the encoder of its models. Raises M2R2Error."""
    name = _name(given)
    return fetch(name, say) / ENCODER_FILE if name else Path(os.path.expanduser(given))


def _name(given: str | Path) -> HubName | None:
    """The name, None for a path. What is there is a path.

    What is not there may be a name. Without a revision it is a mistyped path where a folder `org`
    is there. Raises M2R2Error for what looks like a name with a revision and is none.
    """
    path, name = Path(os.path.expanduser(given)), HubName.read(str(given))
    if os.path.exists(path) or (name and not name.revision and os.path.isdir(path.parent)):
        return None
    if name is None and "@" in str(given) and not os.path.isdir(path.parent):
        raise M2R2Error(f"{given}: neither a folder here nor a name as in org/name@revision")
    return name
