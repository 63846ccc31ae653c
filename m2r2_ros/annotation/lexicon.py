# SPDX-License-Identifier: Apache-2.0
"""The words of lexicon.yaml: manipulation verbs with all their forms, and grammar."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import yaml

_LISTS = yaml.safe_load(resources.files(__package__).joinpath("lexicon.yaml").read_text("utf-8"))


def _words(name: str) -> frozenset[str]:
    return frozenset(_LISTS[name].split())


NOUNS_TOO = _words("nouns_too")
# YAML would take some of the keys for booleans; they are quoted there.
_PHRASAL = {particle: frozenset(verbs.split()) for particle, verbs in _LISTS["phrasal"].items()}
PARTICLES = frozenset(_PHRASAL)
ALWAYS_PARTICLES = _words("always_particles")
PREPOSITIONS = _words("prepositions")
DETERMINERS = _words("determiners")
PRONOUNS = _words("pronouns")
RECEIVERS = _words("receivers")
JOINERS = _words("joiners") | {"&"}
PAUSES = frozenset(",;.:!?")
ASIDES = _words("asides")
SEQUENCERS = _words("sequencers")
AUXILIARIES = _words("auxiliaries")
OPENERS = _words("openers")
ADVERBS = _words("adverbs")
HUMANS = _words("humans")
AGENTS = HUMANS | _words("other_agents")
MOTIONS = _words("motions")
_MISSPELT = _LISTS["misspelt"]
# What is no verb, whatever stands after it.
FUNCTION_WORDS = (
    PARTICLES | PREPOSITIONS | DETERMINERS | PRONOUNS | RECEIVERS | JOINERS | ASIDES | SEQUENCERS
) | (AUXILIARIES | OPENERS | ADVERBS | AGENTS | _words("never_orders"))
# Shorter slips may be any word; longer ones are of no verb.
_SLIPS = range(5, 20)


@dataclass(frozen=True)
class VerbForm:
    """A word as a form of `verb`: "base", "present" (third person), "ing" or "past"."""

    verb: str
    form: str


@cache
def _forms() -> dict[str, tuple[VerbForm, ...]]:
    forms: dict[str, tuple[VerbForm, ...]] = {}

    def add(word: str, verb: str, form: str) -> None:
        forms[word] = (*forms.get(word, ()), VerbForm(verb, form))

    for verb in _LISTS["verbs"].split():
        add(verb, verb, "base")
        add(_present(verb), verb, "present")
        add(_stem(verb) + "ing", verb, "ing")
        for past in _LISTS["irregular_past"].get(verb, _past(verb)).split():
            add(past, verb, "past")
    return forms


def verb_forms(word: str) -> tuple[VerbForm, ...]:
    """What verb, in which form, a word in lower case can be; empty when none."""
    return _forms().get(word, ())


def spelt(word: str) -> str:
    """A function word as it is meant: "adn" is "and"."""
    return _MISSPELT.get(word, word)


@lru_cache(maxsize=10_000)
def nearest_verb(word: str) -> str:
    """The one verb of which a word is a slip of the pen, "" if none or several.

    Two letters swapped, one too many or one too few; the first letter is right.
    """
    if len(word) >= _SLIPS.stop:
        return ""
    slips = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(1, len(word) - 1)}
    if len(word) in _SLIPS:
        slips |= {word[:i] + word[i + 1 :] for i in range(1, len(word))}
        letters = "abcdefghijklmnopqrstuvwxyz"
        slips |= {word[:i] + a + word[i:] for i in range(1, len(word) + 1) for a in letters}
    found = {form.verb for slip in slips for form in verb_forms(slip) if form.form == "base"}
    return found.pop() if len(found) == 1 else ""


def is_phrasal(verb: str, particle: str) -> bool:
    """Whether the particle belongs to the action: "pick up", but "pick" in "pick from"."""
    return verb in _PHRASAL.get(particle, ())


def _present(verb: str) -> str:
    if verb.endswith(("s", "sh", "ch", "x", "z")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith("do") else "s")


def _past(verb: str) -> str:
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ied"
    return _stem(verb) + "ed"


def _stem(verb: str) -> str:
    """A verb as it is before -ing: take -> tak, cut -> cutt, tie -> ty."""
    if verb.endswith("ie"):
        return verb[:-2] + "y"
    if verb.endswith("e") and not verb.endswith(("ee", "ye")):
        return verb[:-1]
    starts = (i for i, letter in enumerate(verb) if letter in "aeiou")
    syllables = sum(i == 0 or verb[i - 1] not in "aeiou" for i in starts)
    short = len(verb) > 2 and verb[-1] not in "aeiouwxy" and verb[-2] in "aeiou"
    short = short and (verb[-3] not in "aeiou" or verb[-3:-1] == "ui")
    stressed = syllables == 1 or verb in _LISTS["stressed_at_the_end"].split()
    return verb + verb[-1] if short and stressed else verb
