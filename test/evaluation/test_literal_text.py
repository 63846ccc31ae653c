# SPDX-License-Identifier: Apache-2.0
"""Labels of any script in pictures: what no font has is one line, said once."""

from __future__ import annotations

import io
import warnings

import pytest
from matplotlib.figure import Figure

from m2r2_ros.evaluation.literal_text import literal_text

# Of a private area, which no font may have.
NOBODYS = ("\U000f1234", "\U000f1235")


@literal_text()
def draw(*texts):
    figure = Figure(figsize=(1, 1))
    for text in texts:
        figure.text(0.1, 0.5, text)
    figure.savefig(io.BytesIO(), format="png")


def test_a_character_that_no_font_has_is_said_once(caplog, monkeypatch):
    monkeypatch.setattr("m2r2_ros.evaluation.literal_text._said", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw("tighten cap", "$\\frac{$")
        assert not caplog.messages
        draw(f"a{NOBODYS[0]}", NOBODYS[0])
        draw(NOBODYS[0])
        draw(*NOBODYS)
    assert len(caplog.messages) == 2
    for character, line in zip(NOBODYS, caplog.messages, strict=True):
        assert f"no font here has {ascii(character)[1:-1]}: pictures show boxes" in line


def test_other_warnings_pass():
    with pytest.warns(RuntimeWarning, match="^mine$"), literal_text():
        warnings.warn("mine", RuntimeWarning, stacklevel=1)
