# SPDX-License-Identifier: Apache-2.0
"""An API key that appears nowhere: not in logs, at whatever level, not in an error, not on disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from m2r2_ros.errors import M2R2Error

KEY_VARIABLE = "OPENAI_API_KEY"
_HIDDEN = "[key]"


class Secret:
    """Holds a key; prints as [key]."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return _HIDDEN

    def __reduce__(self) -> Any:
        # Nor may it travel to another machine.
        raise TypeError("a secret is not sent anywhere")

    def reveal(self) -> str:
        """The key itself, for the one call that needs it."""
        return self._value

    def redact(self, text: str) -> str:
        """The text without the key: servers are known to repeat it in their complaints."""
        return text.replace(self._value, _HIDDEN)


def key_from_environment() -> Secret:
    """The key in OPENAI_API_KEY. Raises M2R2Error when there is none, or it is no key."""
    value = os.environ.get(KEY_VARIABLE, "").strip()
    if not value:
        raise M2R2Error(
            f"the environment has no {KEY_VARIABLE} (any word will do for a server without keys)"
        )
    if not value.isascii() or not value.isprintable() or " " in value:
        raise M2R2Error(f"{KEY_VARIABLE} holds something that is no key")
    return Secret(value)


@contextmanager
def kept_out_of_logs(secret: Secret) -> Iterator[None]:
    """Whatever is logged inside the block, by any library at any level, goes without the key."""
    make = logging.getLogRecordFactory()

    def redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        message = record.getMessage()
        if secret.redact(message) != message:
            record.msg, record.args = secret.redact(message), ()
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_info, record.exc_text = None, secret.redact(text)
        return record

    logging.setLogRecordFactory(redacted)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)
