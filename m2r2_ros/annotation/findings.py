# SPDX-License-Identifier: Apache-2.0
"""What was found in a description, and what Algorithm 1 of RoboAct-CLIP makes of it."""

from __future__ import annotations

from dataclasses import dataclass

MULTIPLE = "multiple actions"
NO_ACTION = "no action"
NO_OBJECT = "no object"


@dataclass(frozen=True)
class ActionPhrase:
    """A verb in its base form with its particle ("pick up"), and a noun phrase, "" if none."""

    action: str
    object: str


@dataclass(frozen=True)
class Findings:
    """Who acts (`ROBOT` or `HUMAN`), and the actions in order."""

    subject: str
    actions: tuple[ActionPhrase, ...]

    @property
    def rejection(self) -> str:
        """Why the description is of no use, "" when it has one action with an object."""
        if len(self.actions) > 1:
            return MULTIPLE
        if not self.actions:
            return NO_ACTION
        return "" if self.actions[0].object else NO_OBJECT
