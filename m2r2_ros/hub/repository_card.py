# SPDX-License-Identifier: Apache-2.0
"""The page of a model repository: what the hub files it under, then the folder's own card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.models import CARD_FILE
from m2r2_ros.small_files import read_small_text, strict_yaml

PAGE_FILE = "README.md"
_FENCE = "---\n"
# `pipeline_tag` is one of the hub's own list; temporal segmentation has no entry there.
_FRONT_MATTER = {
    "pipeline_tag": "robotics",
    "library_name": "m2r2_ros",
    "tags": ["robotics", "ros2", "temporal-action-segmentation", "multimodal", "onnx"],
}
_USE = """## Use

```
m2r2 segment my_bag --models {name} --json segments.json
ros2 launch m2r2_ros online_segmentation.launch.py config:=robot.yaml models:={name}
```
"""


def repository_card(folder: Path, name: str, licence: str) -> str:
    """Markdown with front matter. What the folder's card says itself there stays.

    `licence` is an identifier of the hub, "" to leave the card's, or `unknown`. Raises M2R2Error.
    """
    said, text = _card(folder)
    front = {"license": "unknown", **_FRONT_MATTER, **said}
    if licence:
        front["license"] = licence
    matter = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    title = "" if text else f"# {name.partition('/')[2]}\n\n"
    return f"{_FENCE}{matter}{_FENCE}\n{title}{text}\n{_USE.format(name=name)}"


def _card(folder: Path) -> tuple[dict[str, Any], str]:
    """The front matter and the text of the folder's card, both empty without one."""
    path = folder / CARD_FILE
    if not path.is_file():
        return {}, ""
    text = read_small_text(path).replace("\r\n", "\n")
    if not text.startswith(_FENCE):
        return {}, text
    # The last line may lack its end.
    matter, fence, rest = f"{text}\n".removeprefix(_FENCE).partition(f"\n{_FENCE}")
    try:
        said = strict_yaml(matter) if fence else None
    except yaml.YAMLError as error:
        raise M2R2Error(f"{path}: its front matter is no YAML: {error}") from error
    if not isinstance(said, dict):
        raise M2R2Error(f"{path}: begins with --- but has no front matter of names and values")
    return said, rest.removesuffix("\n").lstrip("\n")
