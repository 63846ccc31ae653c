# SPDX-License-Identifier: Apache-2.0
"""`m2r2 annotate --llm` gets its answers from an endpoint that means harm, and ends at Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from functools import partial
from pathlib import Path

import descriptions
import pytest
from hostile_endpoint import HostileEndpoint, faults

from m2r2_ros.annotation.answers import AnswerCache
from m2r2_ros.annotation.findings import ActionPhrase, Findings
from m2r2_ros.annotation.language_model import MAX_BODY_BYTES, Endpoint
from m2r2_ros.cli import annotate
from m2r2_ros.cli import main as command

FAULTS = faults()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-f4ke-0123456789abcdef")
    endpoint = partial(Endpoint, pause_s=0.01, timeout_s=3.0, attempts=6)
    monkeypatch.setattr(annotate, "Endpoint", endpoint)


def manifest(folder: Path, count: int) -> tuple[Path, dict[str, dict]]:
    rows = descriptions.rows()[:count]
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    answers = {" ".join(row["description"].split()): row for row in rows}
    return path, {text: descriptions.known_answer(row) for text, row in answers.items()}


def arguments(path: Path, out: Path, url: str) -> list[str]:
    return ["annotate", str(path), "--out", str(out), "--llm", "m", "--base-url", url]


def test_every_answer_comes_in_spite_of_every_fault(tmp_path: Path, capsys) -> None:
    assert len(FAULTS) >= 50
    path, answers = manifest(tmp_path, 4 * len(FAULTS))
    texts = list(answers)[: len(FAULTS)]
    assert len(texts) == len(FAULTS)
    hostile = dict(zip(texts, FAULTS.values(), strict=True))
    with HostileEndpoint(answers, hostile).running() as endpoint:
        tracemalloc.start()
        try:
            assert command.main(arguments(path, tmp_path / "out", endpoint.url)) == 0
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        for text, name in zip(texts, FAULTS, strict=True):
            assert endpoint.asked[text] >= 2, name
        asked = sum(endpoint.asked.values())
        # What was kept is read again, and nothing is asked.
        assert command.main(arguments(path, tmp_path / "out", endpoint.url)) == 0
        assert sum(endpoint.asked.values()) == asked
    # Eight answers at once, each held a few times over while it is read.
    assert peak < 60 * MAX_BODY_BYTES
    records = (tmp_path / "out" / "rejected.jsonl").read_text("utf-8")
    assert "no valid answer" not in records
    shown = "".join(capsys.readouterr())
    assert shown.replace("\n", "").replace("\r", "").isprintable()


@pytest.mark.parametrize("name", ["drip: headers", "drip: body", "drip: status", "drip: chunks"])
def test_the_first_interrupt_ends_it(tmp_path: Path, name: str) -> None:
    """With the patience that users have: the endpoint alone would hold it for ever."""
    path, answers = manifest(tmp_path, 20)
    hostile = dict.fromkeys(answers, FAULTS[name])
    with HostileEndpoint(answers, hostile).running() as endpoint:
        words = arguments(path, tmp_path / "out", endpoint.url)
        program = [sys.executable, "-m", "m2r2_ros.cli.main", *words]
        with subprocess.Popen(program, env=os.environ, stderr=subprocess.PIPE) as process:
            assert endpoint.was_asked.wait(300)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert b"Traceback" not in errors


def damaged_rows() -> list[object]:
    """What may stand in a row of answers.sqlite in place of an answer."""
    whole = json.dumps({"subject": "robot", "actions": [{"action": "fold", "object": "shirt"}]})
    cut = [whole[:length] for length in range(0, len(whole), 3)]
    return [
        *cut,
        *(whole.replace(part, "", 1) for part in ('"subject"', "robot", "actions", "action", "]")),
        *(whole.replace("fold", word) for word in ("\\ud800", "\\u0000", "\\u001b[2J", "")),
        *(whole.replace('"fold"', word) for word in ("3", "null", "[]", "{}", "1e999", "NaN")),
        *(None, 3, 2.5, b"\xff\xfe\x00", b"", "[" * 100_000, "9" * 10_000, "null", "[]", '"x"'),
        whole.encode("utf-16")[:-1],
        whole.replace("robot", "dog"),
    ]


def test_a_damaged_row_costs_its_own_answer_only(tmp_path: Path, caplog) -> None:
    rows = damaged_rows()
    assert len(rows) >= 50
    path = tmp_path / "answers.sqlite"
    found = Findings("Human", (ActionPhrase("fold", "shirt"),))
    cache = AnswerCache(path, "m")
    texts = [f"text {number}" for number in range(len(rows))]
    for text in [*texts, "good"]:
        cache.put(text, found)
    keys = [cache._key(text) for text in texts]
    cache.close()
    with sqlite3.connect(path) as database:
        change = "UPDATE answers SET findings = ? WHERE key = ?"
        database.executemany(change, zip(rows, keys, strict=True))
        # Text that is no UTF-8, as a bit that has flipped leaves it.
        database.execute(
            "UPDATE answers SET findings = CAST(x'ff7b7d' AS TEXT) WHERE key = ?", (keys[0],)
        )
    cache = AnswerCache(path, "m")
    assert cache.get([*texts, "good"]) == {"good": found}
    assert f"{len(rows)} answers are damaged" in caplog.text
    cache.put(texts[0], found)
    assert cache.get(texts[:1]) == {texts[0]: found}


def test_descriptions_and_names_that_are_no_text_cost_their_own_video_only(tmp_path, capsys):
    rows = descriptions.rows()[:20]
    rows[3] = rows[3] | {"description": "lift the \ud800 cup"}
    rows[5] = rows[5] | {"video": "a\udcff.mp4"}
    rows[7] = rows[7] | {"video": "a\nb\x1b[2J.mp4"}
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert command.main(["annotate", str(path), "--out", str(tmp_path / "out")]) == 0
    lines = [
        json.loads(line)
        for name in ("annotations", "rejected")
        for line in (tmp_path / "out" / f"{name}.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(lines) == len(rows)
    (bad,) = [line for line in lines if "\ud800" in line["description"]]
    assert bad["reason"] == "a description that is no text"
    shown = "".join(capsys.readouterr())
    assert shown.replace("\n", "").isprintable()
