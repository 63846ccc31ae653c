# SPDX-License-Identifier: Apache-2.0
"""The sentence that describes one action (RoboAct-CLIP, Algorithm 1)."""

from __future__ import annotations

ROBOT, HUMAN = "Robot", "Human"


def clip_sentence(subject: str, action: str, name: str) -> str:
    """Algorithm 1, line 10: "Robot (or Human) [A] [O], Action is A, Object is O."."""
    if not name:
        return f"{subject} {action}, Action is {action}."
    return f"{subject} {action} {name}, Action is {action}, Object is {name}."


def action_sentence(text: str) -> str:
    """What is compared with a video for `text`: itself if it is a sentence (it ends in a full
    stop), else that of the action, "Insert USB" being a verb and its object."""
    text = " ".join(text.split())
    if text.endswith("."):
        return text
    action, _, name = text.partition(" ")
    return clip_sentence(ROBOT, action.lower(), name)
