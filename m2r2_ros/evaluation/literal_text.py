# SPDX-License-Identifier: Apache-2.0
"""Text in pictures as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def literal_text() -> Iterator[None]:
    """What is drawn and saved within shows a label like "$x$" as it is.

    matplotlib would read a formula, and fail on most.
    """
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}):
        yield
