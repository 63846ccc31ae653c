# SPDX-License-Identifier: Apache-2.0
"""The words of a description, without numbering and remarks."""

from __future__ import annotations

import re

from m2r2_ros.annotation import lexicon
from m2r2_ros.annotation.findings import ActionPhrase

_TOKEN = re.compile(
    r"[A-Za-z]+(?:'[a-z]+)?(?:[-/][A-Za-z0-9]+)*\d*|\d+(?:\.\d+)?[A-Za-z]*|[.,;:!?&]"
)
_NUMBERING = re.compile(r"^\s*(?:\(?\d+[.):]|[-*•])\s*")
_REMARK = re.compile(r"\(([^()]{0,40})\)")
# "Cable routing" has two words; "network cable routing task" is no action yet.
_COMPOUND = range(2, 5)


def words_of(text: str) -> list[str]:
    """Words and marks in order; what is all in capitals comes in lower case."""
    plain = _NUMBERING.sub("", text.replace("_", " ").replace("\u2019", "'"))
    words = _TOKEN.findall(_REMARK.sub(_remark, plain))
    letters = [letter for letter in text if letter.isalpha()]
    if letters and all(letter.isupper() for letter in letters) and len(words) > 1:
        return [word.lower() for word in words]
    return words


def _remark(match: re.Match[str]) -> str:
    """A remark with a verb is a clause of its own, "(blue)" is dropped."""
    words = match[1].lower().split()
    return f"; {match[1]};" if any(lexicon.verb_forms(word) for word in words) else " "


def compound(words: list[str]) -> tuple[ActionPhrase, ...]:
    """The action of a noun that is made of an object and a verb: "cable routing"."""
    if len(words) not in _COMPOUND:
        return ()
    if not all(word.isalnum() and word.lower() not in lexicon.FUNCTION_WORDS for word in words):
        return ()
    forms = lexicon.verb_forms(words[-1].lower())
    verbs = [form.verb for form in forms if form.form == "ing"]
    return tuple(ActionPhrase(verb, " ".join(words[:-1])) for verb in verbs[:1])
