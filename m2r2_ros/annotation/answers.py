# SPDX-License-Identifier: Apache-2.0
"""Answers of language models on disk: what was answered once is never asked again."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from m2r2_ros.annotation.findings import Findings
from m2r2_ros.annotation.prompt import PROMPT_SHA256, findings_from_json, findings_to_json
from m2r2_ros.errors import M2R2Error


class AnswerCache:
    """A SQLite file: (model, prompt, text) -> findings. Each answer is on disk when `put` returns.

    Raises M2R2Error when the file is something else. Not thread-safe.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._path, self._model = path, model
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=30.0)
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers "
                "(key TEXT PRIMARY KEY, model TEXT, text TEXT, findings TEXT)"
            )
            self._database.commit()
        except (sqlite3.Error, OSError) as error:
            raise M2R2Error(f"{path}: cannot be used to keep answers: {error}") from error

    def get(self, texts: Iterable[str]) -> dict[str, Findings]:
        """What is known about the texts."""
        known = {}
        for text in texts:
            row = self._ask("SELECT findings FROM answers WHERE key = ?", self._key(text))
            if row is not None:
                known[text] = findings_from_json(json.loads(row[0]))
        return known

    def put(self, text: str, findings: Findings) -> None:
        """Keep an answer, at once."""
        values = (self._key(text), self._model, text, json.dumps(findings_to_json(findings)))
        self._ask("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", *values)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _ask(self, command: str, *values: str) -> tuple[str, ...] | None:
        try:
            with self._database:
                return self._database.execute(command, values).fetchone()
        except sqlite3.Error as error:
            raise M2R2Error(f"{self._path}: cannot be used to keep answers: {error}") from error

    def _key(self, text: str) -> str:
        content = json.dumps([self._model, PROMPT_SHA256, text])
        return hashlib.sha256(content.encode()).hexdigest()
