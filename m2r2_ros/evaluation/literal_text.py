# SPDX-License-Identifier: Apache-2.0
"""Text in pictures as it is written, in any script that a font here has."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from m2r2_ros.errors import escaped, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)

# Asked for what matplotlib's own font lacks, where they are installed.
_FAMILIES = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Devanagari"),
    *("Noto Sans Hebrew", "Noto Sans Thai", "Hiragino Sans", "Microsoft YaHei"),
    *("WenQuanYi Zen Hei", "Noto Emoji", "Symbola", "Unifont"),
)
_MISSING = re.compile(r"Glyph (\d+) .*missing from")
# Characters that have been said to be missing.
_said: set[str] = set()


@contextmanager
def literal_text() -> Iterator[None]:
    """What is drawn and saved within shows a label like "$x$" as it is.

    matplotlib would read a formula, and fail on most. Characters that no font has are said once.
    """
    import matplotlib

    written = {"text.parse_math": False, "font.family": ["sans-serif", *_installed()]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", "Glyph ")
        with matplotlib.rc_context(written):
            yield
    missing: set[str] = set()
    for warning in caught:
        if glyph := _MISSING.match(str(warning.message)):
            missing.add(chr(int(glyph[1])))
        else:
            place = (warning.filename, warning.lineno)
            warnings.warn_explicit(warning.message, warning.category, *place)
    _say(missing - _said)


def save_literally(figure: Figure, file: Path | IO[bytes], ending: str, dpi: int) -> None:
    """Save a figure as "png" or "svg", within `literal_text`.

    What cannot be printed, as a name that is no UTF-8, is drawn as an escape.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text("\n".join(map(escaped, text.get_text().split("\n"))))
    figure.savefig(file, format=ending, dpi=dpi)


def _installed() -> list[str]:
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return [family for family in _FAMILIES if family in there]


def _say(missing: set[str]) -> None:
    _said.update(missing)
    if missing:
        shown = printable(" ".join(sorted(missing)))
        _log.warning("no font here has %s: pictures show boxes (fonts-noto-cjk has many)", shown)
