# SPDX-License-Identifier: Apache-2.0
"""The rule-based parser: known answers, and nothing that can upset it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import descriptions
import make_descriptions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.annotation import lexicon
from m2r2_ros.annotation.findings import ActionPhrase, Findings
from m2r2_ros.annotation.parser import parse


@pytest.mark.parametrize(
    ("part", "precision", "recall", "multiple_recall"),
    [
        ("made", 0.97, 0.97, 0.97),
        ("by hand", 0.97, 0.97, 0.97),
        # Measured 0.923, 0.837 and 0.667 at first sight; no rule was made for these.
        ("by hand, later", 0.9, 0.8, 0.6),
    ],
)
def test_precision_and_recall_on_known_answers(
    part: str, precision: float, recall: float, multiple_recall: float
) -> None:
    score = descriptions.score(descriptions.rows(part), parse)
    assert score.kept_precision >= precision
    assert score.kept_recall >= recall
    assert score.multiple_precision >= 0.97
    assert score.multiple_recall >= multiple_recall


def test_the_file_is_what_its_script_makes() -> None:
    assert descriptions.rows() == make_descriptions.make()
    assert len(descriptions.rows()) == 1000
    assert len(descriptions.rows("by hand")) >= 120
    assert len({row["description"] for row in descriptions.rows()}) == 1000


def test_the_score_sees_mistakes() -> None:
    """A parser that answers always the same is worth next to nothing."""
    always = Findings("Robot", (ActionPhrase("insert", "USB"),))
    rows = descriptions.rows("by hand")
    lazy = Findings("Robot", (ActionPhrase("insert", "USB"), ActionPhrase("remove", "it")))
    answers = iter([lazy, *[always] * (len(rows) - 1)])
    score = descriptions.score(rows, lambda text: next(answers))
    assert score.kept_precision < 0.05
    assert score.multiple_precision == 0.0


@pytest.mark.parametrize(
    ("base", "forms"),
    [
        ("put", "put puts putting"),
        ("cut", "cut cuts cutting"),
        ("pick", "pick picks picking picked"),
        ("tie", "tie ties tying tied"),
        ("take", "take takes taking took taken"),
        ("press", "press presses pressing pressed"),
        ("carry", "carry carries carrying carried"),
        ("unplug", "unplug unplugs unplugging unplugged"),
        ("open", "open opens opening opened"),
        ("squeeze", "squeeze squeezes squeezing squeezed"),
    ],
)
def test_verbs_in_all_their_forms(base: str, forms: str) -> None:
    for word in forms.split():
        assert base in {form.verb for form in lexicon.verb_forms(word)}, word


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Frobnicate the lever of the pump", ["frobnicate / lever of pump"]),
        ("Take the jar and frobnicate its lid", ["take / jar", "frobnicate / lid"]),
        ("Use the tongs to frobnicate the egg", ["frobnicate / egg"]),
        ("Today the robot lifts the jar", ["lift / jar"]),
        ("Garlic on the tray", []),
        ("Ensure the lid fits", []),
        ("Recording the arm", []),
        ("remvoe the tape adn opne teh box", ["remove / tape", "open / box"]),
        ("shelf dusting", ["dust / shelf"]),
        ("Onto the tray set the cup", ["set / cup"]),
        ("Set on the tray a cup", ["set / cup"]),
        ("drive to the dock", ["drive / "]),
        ("turn slowly clockwise the knob", ["turn / knob"]),
        ("lift the cup (green) off the tray", ["lift off / cup"]),
        ("lift the cup (then tilt it)", ["lift / cup", "tilt / "]),
        ("lift the lid, laying it on the tray", ["lift / lid", "lay / "]),
        ("put it on the tray", ["put / "]),
        ("lift the lid, using a hook", ["lift / lid"]),
        ("grab and lift crates", ["grab / ", "lift / crates"]),
        ("move the cup left of the jar", ["move / cup"]),
        ("move the cup nearer to the jar", ["move / cup"]),
        ("scrub the pan clean", ["scrub / pan"]),
        ("scrub the clean pan", ["scrub / clean pan"]),
        ("lay the coins one by one on the tray", ["lay / coins"]),
        ("The cap is put on the jar", ["put / cap"]),
    ],
)
def test_what_texts_of_data_sets_have_shown_to_be_missing(text: str, found: list[str]) -> None:
    assert [f"{phrase.action} / {phrase.object}" for phrase in parse(text).actions] == found


def test_verbs_with_two_letters_swapped() -> None:
    """Each is read as it is meant, or, where two are as near, as a verb of its own."""
    meant = total = 0
    verbs = {form.verb for forms in lexicon._forms().values() for form in forms}
    for verb in sorted(verb for verb in verbs if verb.isalpha() and len(verb) > 3):
        for i in range(1, len(verb) - 1):
            slip = verb[:i] + verb[i + 1] + verb[i] + verb[i + 2 :]
            is_other = lexicon.verb_forms(slip) or slip in lexicon.FUNCTION_WORDS
            if slip != verb and not is_other and not slip.endswith("ly"):
                (phrase,) = parse(f"{slip} the cup").actions
                assert phrase.action in (verb, slip) or lexicon.verb_forms(phrase.action)
                meant, total = meant + (phrase == ActionPhrase(verb, "cup")), total + 1
    assert total > 500 and meant / total > 0.97


@given(st.text(max_size=200))
def test_any_text_is_read_to_its_end(text: str) -> None:
    findings = parse(text)
    assert findings.subject in ("Robot", "Human")
    assert all(phrase.action for phrase in findings.actions)


_VOCABULARY = """pick up the cup and then , . it to of is robot on opening puts while before
    want use not slowly 2"""
_WORDS = st.sampled_from(_VOCABULARY.split())


@given(st.lists(_WORDS, max_size=25).map(" ".join))
def test_any_order_of_its_own_words_is_read_to_its_end(text: str) -> None:
    findings = parse(text)
    assert len(findings.actions) <= len(text.split())


def test_reads_a_long_text_in_linear_time() -> None:
    """A hostile description must not hold everything up."""
    program = (
        "from m2r2_ros.annotation.parser import parse\n"
        "assert len(parse('push the box and ' * 600).actions) == 600\n"
        "for word in ('and ', 'the ', ', then ', 'robot ', 'in the x ', 'drape the robot '):\n"
        "    parse(word * 1200)\n"
        "parse('x' * 10_000 + ' the cup')"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, cwd=Path.cwd())
