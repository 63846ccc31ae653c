# SPDX-License-Identifier: Apache-2.0
"""Answers of language models on disk: what was answered once is never asked again."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from m2r2_ros.annotation.findings import Findings
from m2r2_ros.annotation.prompt import PROMPT_SHA256, findings_from_json, findings_to_json
from m2r2_ros.errors import M2R2Error

_log = logging.getLogger(__name__)


class AnswerCache:
    """A SQLite file: (model, prompt, text) -> findings. Each answer is on disk when `put` returns.

    Raises M2R2Error when the file is something else. Not thread-safe.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._path, self._model = path, model
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=30.0)
            # What is stored need not be the text that it claims to be.
            self._database.text_factory = bytes
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers "
                "(key TEXT PRIMARY KEY, model TEXT, text TEXT, findings TEXT)"
            )
            self._database.commit()
        except (sqlite3.Error, OSError) as error:
            raise M2R2Error(f"{path}: cannot be used to keep answers: {error}") from error

    def get(self, texts: Iterable[str]) -> dict[str, Findings]:
        """What is known about the texts. A damaged answer is none; how many are is logged."""
        known, damaged = {}, 0
        for text in texts:
            row = self._ask("SELECT findings FROM answers WHERE key = ?", self._key(text))
            if row is None:
                continue
            try:
                known[text] = findings_from_json(json.loads(row[0]))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                damaged += 1
        if damaged:
            _log.warning("%s: %d answers are damaged; they count as unknown", self._path, damaged)
        return known

    def put(self, text: str, findings: Findings) -> None:
        """Keep an answer, at once."""
        values = (self._key(text), self._model, text, json.dumps(findings_to_json(findings)))
        self._ask("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", *values)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _ask(self, command: str, *values: str) -> tuple[Any, ...] | None:
        try:
            with self._database:
                return self._database.execute(command, values).fetchone()
        except sqlite3.Error as error:
            raise M2R2Error(f"{self._path}: cannot be used to keep answers: {error}") from error

    def _key(self, text: str) -> str:
        content = json.dumps([self._model, PROMPT_SHA256, text])
        return hashlib.sha256(content.encode()).hexdigest()
