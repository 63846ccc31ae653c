# SPDX-License-Identifier: Apache-2.0
"""What a language model is asked about a description, and what counts as its answer.

The content is that of Algorithm 1, line 5, of RoboAct-CLIP (how many actions are described, with
which verbs and objects), asked for as JSON so that it can be checked.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any

from m2r2_ros.annotation.findings import ActionPhrase, Findings
from m2r2_ros.descriptions import HUMAN, ROBOT

INSTRUCTIONS = """\
You are given a description of a video of a robot or a person handling things. Count the different \
actions that it describes, and name the verb and the object of each.
Answer with one JSON object and nothing else:
{"subject": "robot" or "human", "actions": [{"action": VERB, "object": NOUN PHRASE}, ...]}
- subject: "human" only if the text says that a person acts.
- action: the base form of the verb, with its particle where it has one ("pick up", "insert").
- object: the thing acted upon, with its adjectives, without an article and without the place.
- One verb with several objects is one action. No action at all: an empty list.\
"""

PROMPT_SHA256 = hashlib.sha256(INSTRUCTIONS.encode()).hexdigest()

MAX_ANSWER = 100_000
_MAX_ACTIONS = 100
_MAX_WORDS = 200
_SUBJECTS = {"robot": ROBOT, "human": HUMAN}


class InvalidAnswerError(ValueError):
    """An answer that is not the JSON that was asked for. Its text holds nothing of the answer."""


def messages(text: str) -> list[dict[str, str]]:
    """The chat that asks about `text`."""
    return [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": text}]


def read_answer(answer: Any) -> Findings:
    """Check an answer, of which only a text can be one. Raises InvalidAnswerError."""
    if not answer or not isinstance(answer, str):
        raise InvalidAnswerError("an empty answer")
    if len(answer) > MAX_ANSWER:
        raise InvalidAnswerError("an endless answer")
    # Models that reason aloud, and those that love code blocks, put the JSON between other text.
    text = answer.rpartition("</think>")[2]
    start, end = text.find("{"), text.rfind("}")
    try:
        return findings_from_json(json.loads(text[start : end + 1]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InvalidAnswerError):
            raise
        raise InvalidAnswerError("an answer that is not the JSON asked for") from None


def findings_from_json(content: Any) -> Findings:
    """The inverse of `findings_to_json`. Raises what a wrong structure makes Python raise."""
    actions = content["actions"]
    if not isinstance(actions, list) or len(actions) > _MAX_ACTIONS:
        raise InvalidAnswerError("an answer whose actions are no list")
    subject = _SUBJECTS[content["subject"].strip().lower()]
    phrases = (ActionPhrase(_words(a["action"]).lower(), _words(a["object"])) for a in actions)
    findings = Findings(subject, tuple(phrases))
    if not all(phrase.action for phrase in findings.actions):
        raise InvalidAnswerError("an answer with an action without a verb")
    return findings


def findings_to_json(findings: Findings) -> dict[str, Any]:
    """As a model is asked to answer."""
    actions = [{"action": phrase.action, "object": phrase.object} for phrase in findings.actions]
    return {"subject": findings.subject.lower(), "actions": actions}


def _words(value: Any) -> str:
    """One line of characters that can be written; no object may come as null."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _MAX_WORDS:
        raise InvalidAnswerError("an answer with something else than words")
    words = " ".join(value.split()).strip(".")
    # Control characters, and halves of characters that no file can hold.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in words):
        raise InvalidAnswerError("an answer with characters that are none")
    return words
