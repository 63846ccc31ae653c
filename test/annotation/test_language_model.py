# SPDX-License-Identifier: Apache-2.0
"""`m2r2 annotate --llm` against an endpoint with bad days, and a key that nobody may see."""

from __future__ import annotations

import json
import logging
import pickle
from functools import partial
from itertools import cycle
from pathlib import Path

import descriptions
import pytest
from fake_endpoint import FAULTS, FakeEndpoint

from m2r2_ros.annotation.answers import AnswerCache
from m2r2_ros.annotation.findings import ActionPhrase, Findings
from m2r2_ros.annotation.language_model import Endpoint, _Turns, estimate
from m2r2_ros.annotation.prompt import InvalidAnswerError, read_answer
from m2r2_ros.annotation.secret import Secret, kept_out_of_logs
from m2r2_ros.cli import annotate
from m2r2_ros.cli import main as command
from m2r2_ros.datasets.clips import read_clips
from m2r2_ros.errors import M2R2Error

KEY = "sk-f4ke-0123456789abcdef"
COUNT = 90


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, short pauses, and no endpoint but the one on this machine."""
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(annotate, "Endpoint", partial(Endpoint, pause_s=0.01, attempts=4))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For silence. A busy machine, too, may let an answer come too late: count with care."""
    endpoint = partial(Endpoint, pause_s=0.01, timeout_s=1.0, attempts=4)
    monkeypatch.setattr(annotate, "Endpoint", endpoint)


def manifest(folder: Path, count: int = COUNT) -> tuple[Path, dict[str, dict]]:
    """Every eleventh description and its true answer."""
    rows = descriptions.rows()[::11][:count]
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path, {
        " ".join(row["description"].split()): descriptions.known_answer(row) for row in rows
    }


def run(path: Path, out: Path, url: str, *more: str) -> int:
    arguments = [path, "--out", out, "--llm", "m", "--base-url", url, *more]
    return command.main(["annotate", *map(str, arguments)])


def every_fault(answers: dict[str, dict], *faults: str) -> dict[str, list[str]]:
    """What goes wrong with the first request about each text."""
    return {text: [fault] for text, fault in zip(answers, cycle(faults), strict=False)}


def records(out: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (out / f"{name}.jsonl").read_text("utf-8").splitlines()]


def test_no_record_is_lost_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    path, answers = manifest(tmp_path)
    faults = every_fault(answers, "", *(fault for fault in FAULTS if fault != "silence"))
    out = tmp_path / "out"
    with FakeEndpoint(answers, faults).running() as endpoint:
        assert run(path, out, endpoint.url) == 0
        # An answer that arrived whole was the last of its text.
        assert set(endpoint.answered.values()) == {1}
        expected = {text: 1 + bool(names[0]) for text, names in faults.items()}
        assert dict(endpoint.asked) == expected
        first = {file.name: file.read_bytes() for file in out.glob("*.json*")}
        assert run(path, out, endpoint.url) == 0
        assert sum(endpoint.asked.values()) == sum(expected.values())
    again = {file.name: file.read_bytes() for file in out.glob("*.json*")}
    unchanged = first == again
    assert unchanged
    kept, rejected = records(out, "annotations"), records(out, "rejected")
    # What training reads.
    clips = list(read_clips(out / "annotations.jsonl"))
    assert [clip.sentence for clip in clips] == [record["sentence"] for record in kept]
    assert {clip.path.resolve().parent for clip in clips} == {tmp_path}
    assert len(kept) + len(rejected) == COUNT
    for row in descriptions.rows()[::11][:COUNT]:
        (record,) = [r for r in kept + rejected if r["path"].endswith(row["video"])]
        if row["answer"] == "single":
            found = (record["subject"], record["action"], record["object"])
            assert found == (row["subject"], row["action"], row["object"])
        else:
            reason = "multiple actions" if row["answer"] == "multiple" else "no action"
            assert record["reason"] == reason


@pytest.mark.usefixtures("impatient")
def test_an_endpoint_that_says_nothing_is_asked_again(tmp_path: Path) -> None:
    path, answers = manifest(tmp_path, 12)
    faults = every_fault(answers, "", "silence")
    with FakeEndpoint(answers, faults).running() as endpoint:
        endpoint.silence_s = 10.0
        assert run(path, tmp_path / "out", endpoint.url) == 0
        for text, (fault,) in faults.items():
            assert endpoint.asked[text] >= 1 + bool(fault)
            assert endpoint.answered[text] >= 1
    assert len(records(tmp_path / "out", "annotations")) > 0


def test_what_gets_no_answer_is_told_and_asked_in_the_next_run(tmp_path: Path, capsys) -> None:
    path, answers = manifest(tmp_path)
    stubborn = list(answers)[5]
    with FakeEndpoint(answers, {stubborn: ["not json"] * 4}).running() as endpoint:
        assert run(path, tmp_path / "out", endpoint.url) == 2
        complaint = capsys.readouterr().err
        assert "1 videos have no valid answer yet" in complaint
        (lost,) = [r for r in records(tmp_path / "out", "rejected") if "no valid" in r["reason"]]
        assert lost["description"] == stubborn
        assert run(path, tmp_path / "out", endpoint.url) == 0
        assert endpoint.asked[stubborn] == 5
        assert sum(endpoint.asked.values()) == COUNT + 4
    (tmp_path / "out" / "answers.sqlite").rename(tmp_path / "kept.sqlite")
    # Without the endpoint, from the answers alone.
    url = "http://127.0.0.1:9/v1"
    assert run(path, tmp_path / "new", url, "--cache", str(tmp_path / "kept.sqlite")) == 0


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_endpoint_that_refuses_is_one_line(status: int, tmp_path: Path, capsys) -> None:
    path, answers = manifest(tmp_path)
    with FakeEndpoint(answers).running() as endpoint:
        endpoint.refuse_with = status
        assert run(path, tmp_path / "out", endpoint.url) == 2
    complaint = capsys.readouterr().err
    assert "endpoint refuses" in complaint
    assert "[key]" in complaint
    assert KEY not in complaint
    assert complaint.count("\n") == 1


@pytest.mark.usefixtures("impatient")
def test_the_key_shows_up_nowhere(tmp_path: Path, capfd) -> None:
    """The endpoint repeats it, every logger talks at DEBUG, and an error comes with a traceback."""
    path, answers = manifest(tmp_path, 2 * len(FAULTS))
    faults = every_fault(answers, *FAULTS)
    log = logging.FileHandler(tmp_path / "everything.log")
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("openai", "httpx2", "httpcore2"))]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    root.addHandler(log)
    try:
        with FakeEndpoint(answers, faults).running() as endpoint:
            assert run(path, tmp_path / "out", endpoint.url) == 0
            endpoint.refuse_with = 500
            assert run(path, tmp_path / "none", endpoint.url) == 2
            endpoint.refuse_with = 401
            assert run(path, tmp_path / "none", endpoint.url) == 2
    finally:
        root.removeHandler(log)
        log.close()
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    output = "".join(capfd.readouterr())
    assert KEY not in output
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {"answers.sqlite", "rejected.jsonl", "everything.log"} <= {file.name for file in written}
    assert (tmp_path / "everything.log").stat().st_size > 10_000
    for file in written:
        assert KEY.encode() not in file.read_bytes(), file.name
        assert KEY[3:].encode() not in file.read_bytes(), file.name


def test_a_secret_hides_in_logs_and_stays_on_its_machine(tmp_path: Path, caplog) -> None:
    secret = Secret(KEY)
    assert KEY not in f"{secret} {secret!r}"
    with pytest.raises(TypeError, match="not sent anywhere"):
        pickle.dumps(secret)
    logger = logging.getLogger("some.library")
    with kept_out_of_logs(secret), caplog.at_level(logging.DEBUG):
        logger.debug("headers: %s", {"Authorization": f"Bearer {KEY}"})
        try:
            raise RuntimeError(f"bad key {KEY}")
        except RuntimeError:
            logger.exception("failed")
        logger.info("nothing to hide: %d", 3)
    assert KEY not in caplog.text
    assert "Bearer [key]" in caplog.text
    assert "bad key [key]" in caplog.text
    assert "nothing to hide: 3" in caplog.text


BAD_COMMANDS = {
    "key in the address": (["--base-url", f"https://user:{KEY}@host/v1"], "keys belong elsewhere"),
    "no address": (["--base-url", "host"], "--base-url must be"),
    "negative rate": (["--requests-per-minute", "-1"], "cannot be negative"),
}


@pytest.mark.parametrize(("more", "message"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_bad_options_are_one_line(more: list[str], message: str, tmp_path: Path, capsys) -> None:
    path, _ = manifest(tmp_path)
    assert run(path, tmp_path / "out", "http://127.0.0.1:9/v1", *more) == 2
    complaint = capsys.readouterr().err
    assert message in complaint
    assert KEY not in complaint


def test_no_key_is_one_line(tmp_path: Path, capsys, monkeypatch) -> None:
    path, _ = manifest(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert run(path, tmp_path / "out", "http://127.0.0.1:9/v1") == 2
    assert "the environment has no OPENAI_API_KEY" in capsys.readouterr().err


def test_a_dry_run_asks_nothing_and_prints_the_cost(tmp_path: Path, capsys) -> None:
    path, answers = manifest(tmp_path)
    with FakeEndpoint(answers).running() as endpoint:
        assert run(path, tmp_path / "out", endpoint.url, "--dry-run", "--price", "2", "8") == 0
        assert not endpoint.asked
        assert not (tmp_path / "out").exists()
        needed = estimate(list(answers))
        output = capsys.readouterr().out
        assert f"{len(answers)} requests (0 answers are kept)" in output
        assert f"about {needed.tokens_in} tokens in and {needed.tokens_out} out" in output
        cost = (2 * needed.tokens_in + 8 * needed.tokens_out) / 1e6
        assert f"cost: about {cost:.2f}" in output
        run(path, tmp_path / "out", endpoint.url)
        capsys.readouterr()
        assert run(path, tmp_path / "out", endpoint.url, "--dry-run") == 0
        assert f"0 requests ({len(answers)} answers are kept)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "answer",
    [
        '{"subject": "robot", "actions": [{"action": "Pick up", "object": "cup."}]}',
        '```json\n{"subject":"ROBOT",\n"actions":[{"action":"pick  up","object":"cup"}]}\n```',
        '<think>{}</think>{"subject":"robot","actions":[{"action":"pick up","object":"cup"}]}',
    ],
)
def test_answers_between_other_text_are_found(answer: str) -> None:
    assert read_answer(answer) == Findings("Robot", (ActionPhrase("pick up", "cup"),))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        "no",
        "{}",
        "[]",
        '{"subject": "robot", "actions": {}}',
        '{"subject": "robot", "actions": [1]}',
        '{"subject": "robot", "actions": [{"action": "", "object": "x"}]}',
        '{"subject": "robot", "actions": [{"action": "a", "object": 3}]}',
        '{"subject": 3, "actions": []}',
        '{"subject": "robot", "actions": [' + '{"action": "a", "object": "b"},' * 101,
        '{"a":' * 5000,
        "x" * 200_000,
    ],
)
def test_anything_else_is_no_answer(answer: str | None) -> None:
    with pytest.raises(InvalidAnswerError):
        read_answer(answer)


def test_requests_are_spaced_evenly() -> None:
    turns = _Turns(120.0, lambda: 100.0)
    assert [turns.next_in_s() for _ in range(4)] == [0.0, 0.5, 1.0, 1.5]


def test_answers_of_another_model_do_not_count(tmp_path: Path) -> None:
    found = Findings("Human", (ActionPhrase("fold", "shirt"),))
    cache = AnswerCache(tmp_path / "a.sqlite", "one")
    cache.put("text", found)
    cache.close()
    assert AnswerCache(tmp_path / "a.sqlite", "one").get(["text", "other"]) == {"text": found}
    assert AnswerCache(tmp_path / "a.sqlite", "two").get(["text"]) == {}
    (tmp_path / "b.sqlite").write_bytes(b"something else, and long enough to be seen as such" * 50)
    with pytest.raises(M2R2Error, match=r"b\.sqlite: cannot be used"):
        AnswerCache(tmp_path / "b.sqlite", "one")
