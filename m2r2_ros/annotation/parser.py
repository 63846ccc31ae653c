# SPDX-License-Identifier: Apache-2.0
"""Rules that find subject, actions and objects in one English description; no network, no model.

The answer to the question that RoboAct-CLIP (section II-A, Algorithm 1) puts to a language model:
how many actions does a text describe, with which verbs and objects. A clause is read from its verb
on: particle, object, what follows. A further verb after "and", "then", a comma, "while", "before"
or "after" is a further action.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from m2r2_ros.annotation import lexicon
from m2r2_ros.annotation.findings import ActionPhrase, Findings
from m2r2_ros.annotation.words import compound, words_of
from m2r2_ros.descriptions import HUMAN, ROBOT

# Part of every annotation, so that one made by other rules is told from this one.
PARSER = "rules-2"

_ENDS_OF_SENTENCE = frozenset(".;:!?")


def parse(text: str) -> Findings:
    """The actions that a description tells of, in order."""
    words = words_of(text)
    findings = _Reader(words).read()
    return findings if findings.actions else Findings(findings.subject, compound(words))


@dataclass
class _Reader:
    """Goes through the words once; `at` is the next one."""

    words: list[str]
    at: int = 0
    findings: list[ActionPhrase] = field(default_factory=list)
    subject: str = ROBOT
    # Form of the last verb: what is co-ordinated with it has the same.
    form: str = ""

    def __post_init__(self) -> None:
        self.lower = [lexicon.spelt(word.lower()) for word in self.words]

    def read(self) -> Findings:
        while self.at < len(self.words):
            before = self.at
            if not self._clause():
                self._skip_to_next_clause()
            # Nothing may keep the reader where it is.
            self.at = max(self.at, before + 1)
        return Findings(self.subject, tuple(self.findings))

    # -- clauses

    def _clause(self) -> bool:
        """Read a clause that starts here; False when it has no verb of action."""
        self._skip_openers()
        sequenced = self._word() in lexicon.SEQUENCERS
        if sequenced:
            self.at += 1
        if self._wish():
            return self._predicate("base")
        verb_at = self._verb_at_start(gerund_only=sequenced)
        if verb_at:
            return self._predicate()
        return self._order_after_place() or self._clause_with_subject()

    def _order_after_place(self) -> bool:
        """ "Into the drawer put the ruler": read the order behind the place."""
        if self._word() not in lexicon.PREPOSITIONS:
            return False
        step = 1
        while (word := self._word(step)) and word not in lexicon.PAUSES | lexicon.JOINERS:
            is_known = any(form.form == "base" for form in lexicon.verb_forms(word))
            if step > 1 and is_known and self._takes_thing(step + 1):
                self.at += step
                return self._predicate("base")
            step += 1
        return False

    def _verb_at_start(self, gerund_only: bool = False) -> bool:
        forms = {form.form for form in self._forms(0)}
        if gerund_only:
            return "ing" in forms
        if "base" in forms:
            # "Press releases the part" is not an order; "human hand picks" starts elsewhere.
            return not self._is_subject_of_finite_verb()
        if "ing" in forms or "past" in forms:
            return self._word(1) not in lexicon.AUXILIARIES
        # "The robot lifts the cup. Then puts it down": the subject is still the one before.
        return "present" in forms and self.form == "present" and self._takes_object(1)

    def _is_subject_of_finite_verb(self) -> bool:
        """Whether a noun that could be an order is an agent followed by its verb."""
        if self._word() not in lexicon.AGENTS:
            return False
        return any(form.form == "present" for form in lexicon.verb_forms(self._word(1)))

    def _wish(self) -> bool:
        """Step over "I want the robot to"; True when the wished verb comes next."""
        if self.at == 0 or self._word(-1) not in ("want", "wants", "need", "needs"):
            return False
        for step in range(5):
            if self._word(step) == "to" and self._is_form(step + 1, "base"):
                self.at += step + 1
                return True
        return False

    def _clause_with_subject(self) -> bool:
        """A subject and its verb: "the robot picks", "it is opening", "the lid is opened"."""
        start, step = self.at, 0
        while word := self._word(step):
            if word in lexicon.PAUSES or (word in lexicon.JOINERS and step):
                return False
            if step and word in lexicon.AUXILIARIES:
                return self._after_auxiliary(start, self.at + step)
            agent = step and self._word(step - 1) in lexicon.AGENTS | _model_names(
                self._words(step)
            )
            if agent and self._is_form(step, "present", "past", "ing"):
                self._note_subject(start, self.at + step)
                self.at += step
                return self._predicate()
            if word in lexicon.PREPOSITIONS and not step:
                return False
            step += 1
        return False

    def _words(self, step: int) -> str:
        return self.words[self.at + step - 1]

    def _after_auxiliary(self, start: int, auxiliary: int) -> bool:
        passive = False
        self.at = auxiliary
        while self._word() in lexicon.AUXILIARIES or self._word().endswith("ly"):
            passive = self._word() not in ("has", "have", "had", "will", "does", "did")
            self.at += 1
        if self._word() == "to" and self._is_form(1, "base"):
            # "The task is to lift the cup."
            self.at += 1
            return self._predicate("base")
        if self._is_form(0, "ing") or not passive:
            self._note_subject(start, auxiliary)
            return self._predicate()
        if not self._is_form(0, "past"):
            return False
        done_to = self._clean(start, auxiliary)
        found = self._predicate("past", passive=True)
        if found:
            last = self.findings[-1]
            self.findings[-1] = ActionPhrase(last.action, done_to)
        return found

    def _note_subject(self, start: int, end: int) -> None:
        words = (word.removesuffix("'s") for word in self.lower[start:end])
        if any(word in lexicon.HUMANS for word in words) and not self.findings:
            self.subject = HUMAN

    # -- verb, particle, object

    def _predicate(self, *wanted: str, passive: bool = False) -> bool:
        """Read a verb with what belongs to it. What is left of the clause is stepped over."""
        while self._word().endswith("ly") and not lexicon.verb_forms(self._word()):
            self.at += 1
        forms = [form for form in self._forms(0) if not wanted or form.form in wanted]
        if not forms:
            return False
        if forms[0].verb in ("use", "try") and self._purpose():
            return self._predicate("base", "ing")
        verb, form = forms[0].verb, forms[0].form
        self.form = form
        self.at += 1
        particle = self._particle(verb, after_object=passive)
        thing = "" if passive else self._object(form)
        # "Put it on the tray" is not about the tray.
        is_told = bool(thing) or passive or self._word(-1) in lexicon.PRONOUNS
        thing = thing if is_told else self._object_after_place(form)
        particle = particle or self._particle(verb, after_object=is_told)
        is_way = self._word() == "to" and verb in lexicon.MOTIONS
        begins = self._word() in ("on", "at", "to", "for") and not is_way
        if begins and not (thing or is_told or particle):
            # "Type on the keyboard": what the verb is about comes with a preposition.
            self.at += 1
            thing = self._object(form)
        action = f"{verb} {particle}".strip()
        self.findings.append(ActionPhrase(action, thing))
        if self._word() in lexicon.JOINERS | {","} and self._verb_follows(form, bare=not thing):
            self._step_over_joiners()
            return self._predicate()
        self._rest_of_clause(form)
        return True

    def _purpose(self) -> bool:
        """After "use the knife": step to the verb of "to cut" or "for cutting"; False if none."""
        for step in range(1, 12):
            word = self._word(step)
            if not word or word in _ENDS_OF_SENTENCE:
                return False
            if word in ("to", "and") and self._is_form(step + 1, "base"):
                self.at += step + 1
                return True
            if word == "for" and self._is_form(step + 1, "ing"):
                self.at += step + 1
                return True
        return False

    def _particle(self, verb: str, after_object: bool = False) -> str:
        word, following = self._word(), self._word(1)
        if word not in lexicon.PARTICLES or not lexicon.is_phrasal(verb, word):
            return ""
        always = lexicon.ALWAYS_PARTICLES | {"open", "shut", "closed", "upright"}
        if word not in always and after_object and self._starts_noun(following):
            # "Move the cup over the plate": a place.
            return ""
        self.at += 1
        return word

    def _object(self, form: str) -> str:
        """The noun phrase here, without articles; "" when there is none."""
        if self._word() in lexicon.RECEIVERS and self._starts_noun(self._word(1)):
            self.at += 1
        if self._word() in lexicon.PRONOUNS and not self._is_noun(self._word(1)):
            self.at += 1
            return ""
        self._skip_manner()
        start = self.at
        while word := self._word():
            if word in lexicon.JOINERS | {","}:
                if self.at == start:
                    # "Pick up and place": the next verb, not a thing.
                    break
                if self._object_ends_at_joiner(form):
                    break
            elif self._ends_object(word, start):
                break
            self.at += 1
        return self._clean(start, self.at)

    def _skip_manner(self) -> None:
        """Step over "forward slowly" before an object."""
        while (word := self._word()) in lexicon.ADVERBS or word.endswith("ly"):
            following = self._word(1)
            if self._is_noun(following) and not following.endswith("ly"):
                return
            self.at += 1

    def _object_after_place(self, form: str) -> str:
        """ "Place in the basket the egg": the noun phrase behind the place's, "" if none."""
        if self._word() not in lexicon.PREPOSITIONS or self._word(1) not in lexicon.DETERMINERS:
            return ""
        step = 2
        while self._is_noun(self._word(step)):
            step += 1
        if step == 2 or self._word(step) not in lexicon.DETERMINERS:
            return ""
        self.at += step
        return self._object(form)

    def _ends_object(self, word: str, start: int) -> bool:
        begun = any(self._is_noun(known) for known in self.lower[start : self.at])
        if word in _ENDS_OF_SENTENCE or word in lexicon.ASIDES or word in lexicon.SEQUENCERS:
            return True
        if word in lexicon.AUXILIARIES:
            return True
        if word == "of":
            return not begun
        if word in lexicon.PREPOSITIONS or word in lexicon.PARTICLES:
            # "the up and down buttons", "the open drawer"
            after = self.lower[self.at - 1] if self.at > start else ""
            inside = after in lexicon.DETERMINERS or after in lexicon.JOINERS
            return not (inside and word in lexicon.PARTICLES)
        if word in lexicon.DETERMINERS:
            after = self.lower[self.at - 1] if self.at > start else "of"
            fits = after in lexicon.JOINERS or after in (",", "of") or after in lexicon.DETERMINERS
            return begun and not fits
        following = self._word(1)
        if begun and word == "one" and following in lexicon.PREPOSITIONS:
            # "one by one", "one on another"
            return True
        if begun and (word in lexicon.ADVERBS or word.endswith("ly")):
            is_part = self._is_noun(following) and following != "of"
            return word not in ("left", "right", "clean", "flat") or not is_part
        return begun and self._word(1) in ("time", "times")

    def _object_ends_at_joiner(self, form: str) -> bool:
        following = self._after_joiners()
        word = self._word(following)
        if not word or word in lexicon.PREPOSITIONS - {"up", "down", "on", "off", "in", "out"}:
            return True
        if word in lexicon.ASIDES or word in lexicon.SEQUENCERS or word in _ENDS_OF_SENTENCE:
            return True
        if self._verb_follows(form) or self._subject_follows(following):
            return True
        return word.endswith("ly") or word in lexicon.ADVERBS or word in lexicon.PRONOUNS

    def _verb_follows(self, form: str, bare: bool = False) -> bool:
        """Whether the joiner here leads to another verb of the same form, rather than a noun.

        bare  the verb before has no object yet, so that no noun can go on with one.
        """
        step = self._after_joiners()
        sequence = any(self._word(i) in ("then", "next", "finally", "also") for i in range(step))
        forms = {found.form for found in self._forms(step)}
        if self._word() == "," and "ing" in forms and self._word(step) != "using":
            # "Open the oven, putting the tray inside"
            return form == "ing" or self._takes_thing(step + 1)
        same = {"base": {"base"}, "present": {"present"}}.get(form, {"ing", "past", "base"})
        if not forms & same:
            # After "robot lifting", "is lifted": what is told next may be in any form.
            return sequence and bool(forms)
        if sequence or form == "present":
            return form != "present" or sequence or self._takes_object(step + 1)
        verb = next(found.verb for found in self._forms(step) if found.form in same)
        if bare or verb not in lexicon.NOUNS_TOO:
            return not (form == "ing" and self._word(step) in ("cutting", "mixing"))
        return self._takes_object(step + 1)

    def _takes_object(self, step: int) -> bool:
        word = self._word(step)
        if word in lexicon.JOINERS and step < 6:
            return self._takes_object(step + 1) and self._is_form(step + 1, "base")
        known = lexicon.DETERMINERS | lexicon.PRONOUNS | lexicon.PARTICLES
        return word in known or word in ("to", "from", "into", "against", "for")

    def _takes_thing(self, step: int) -> bool:
        return self._word(step) in lexicon.DETERMINERS | lexicon.PRONOUNS

    def _subject_follows(self, step: int) -> bool:
        """Whether an agent and its verb begin here: "and the human catches it"."""
        for at in range(step, step + 4):
            if self._word(at) in lexicon.AGENTS and self._is_form(at + 1, "present", "past"):
                return True
        return False

    # -- the rest

    def _rest_of_clause(self, form: str) -> None:
        """Step over place, manner and purpose, up to what may be another action."""
        aside = False
        while word := self._word():
            if word in _ENDS_OF_SENTENCE:
                return
            if word in lexicon.SEQUENCERS and self._is_form(1, "ing"):
                return
            if word in lexicon.ASIDES or (word == "to" and self._is_form(1, "base")):
                aside = True
            if word in lexicon.JOINERS | {","}:
                following = self._after_joiners()
                if not aside and (self._verb_follows(form) or self._subject_follows(following)):
                    return
                if word == "," and self._word(following) in lexicon.SEQUENCERS:
                    return
                aside = aside and word != ","
            self.at += 1

    def _skip_to_next_clause(self) -> None:
        while word := self._word():
            self.at += 1
            if word in lexicon.PAUSES or word in lexicon.JOINERS:
                return

    def _skip_openers(self) -> None:
        while (word := self._word()) in lexicon.OPENERS | lexicon.PAUSES | lexicon.JOINERS or (
            word.endswith("ly") and not lexicon.verb_forms(word)
        ):
            # "Start the motor" is an action, "start stirring" is one too.
            self.at += 1

    def _step_over_joiners(self) -> None:
        self.at += self._after_joiners()

    def _after_joiners(self) -> int:
        step = 0
        fillers = (
            "then",
            "next",
            "finally",
            "also",
            "afterwards",
            "lastly",
            "subsequently",
            "later",
        )
        while (word := self._word(step)) in lexicon.JOINERS or word == "," or word in fillers:
            step += 1
        while self._word(step).endswith("ly") and not lexicon.verb_forms(self._word(step)):
            step += 1
        return step

    # -- words

    def _word(self, step: int = 0) -> str:
        """The word `step` places on in lower case; "" beyond the ends."""
        place = self.at + step
        return self.lower[place] if 0 <= place < len(self.lower) else ""

    def _forms(self, step: int) -> tuple[lexicon.VerbForm, ...]:
        """What verb the word `step` places on can be.

        A word that no list has is an order if a determiner follows: "drape the shirt".
        """
        word = self._word(step)
        known = lexicon.verb_forms(word)
        if known or not word.isalpha() or len(word) < 3 or word in lexicon.FUNCTION_WORDS:
            return known
        if self._word(step + 1) not in lexicon.DETERMINERS:
            return ()
        meant = lexicon.nearest_verb(word)
        if not meant and word.endswith(("ly", "ing", "ed")):
            return ()
        acts = {form.form for form in lexicon.verb_forms(self._word(step + 3))}
        if self._word(step + 2) in lexicon.AGENTS and acts & {"present", "past"}:
            # "Today the robot lifts the cup."
            return ()
        return (lexicon.VerbForm(meant or word, "base"),)

    def _is_form(self, step: int, *wanted: str) -> bool:
        return any(form.form in wanted for form in self._forms(step))

    def _is_noun(self, word: str) -> bool:
        if not word or not word[0].isalnum():
            return False
        known = lexicon.PREPOSITIONS | lexicon.DETERMINERS | lexicon.JOINERS | lexicon.PRONOUNS
        return word not in known | lexicon.ASIDES | lexicon.AUXILIARIES | lexicon.ADVERBS

    def _starts_noun(self, word: str) -> bool:
        return word in lexicon.DETERMINERS or (self._is_noun(word) and not word.endswith("ly"))

    def _clean(self, start: int, end: int) -> str:
        """The words without articles and what hangs loose at the ends; commas kept."""
        pairs = zip(self.words[start:end], self.lower[start:end], strict=True)
        kept = [word for word, lower in pairs if lower not in lexicon.DETERMINERS]
        while kept and (kept[-1].lower() in lexicon.JOINERS or not kept[-1][0].isalnum()):
            kept.pop()
        while kept and (kept[0].lower() in lexicon.JOINERS or not kept[0][0].isalnum()):
            kept.pop(0)
        return re.sub(r" ([,&])", r"\1", " ".join(kept))


def _model_names(word: str) -> frozenset[str]:
    """A robot by its model, such as UR5 or KUKA, is an agent too."""
    is_model = len(word) > 1 and word[:2].isupper()
    return frozenset({word.lower()}) if is_model else frozenset()
