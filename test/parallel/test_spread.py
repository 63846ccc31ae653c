# SPDX-License-Identifier: Apache-2.0
"""Pieces of work spread over workers: each is done once, and those that fail are named."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel import spread as spreading
from m2r2_ros.parallel.progress import Progress, told_to
from m2r2_ros.parallel.spread import ALONE, Done, Workers, every, spread


def halved(number: int) -> int:
    for _ in Progress(range(4), mininterval=0):
        pass
    if number % 2:
        raise M2R2Error(f"{number} is odd")
    return number // 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_piece_that_fails_is_named_and_the_others_go_on(workers: int) -> None:
    done = list(spread(halved, range(5), Workers(workers), "halving"))
    assert sorted(each.piece for each in done) == [0, 1, 2, 3, 4]
    assert {each.piece: each.result for each in done} == {0: 0, 1: None, 2: 1, 3: None, 4: 2}
    assert {each.piece: each.error for each in done if each.error} == {
        1: "1 is odd",
        3: "3 is odd",
    }


def test_the_bar_moves_within_a_piece_and_counts_what_was_there(monkeypatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(spreading, "Progress", partial(Progress, mininterval=0))
    with told_to(told.append):
        list(spread(halved, [2, 4], ALONE, "halving", already=2))
    assert told == sorted(told) and told[-1] == 1
    assert {0.5, 0.75, 1.0} < set(told) and any(0.5 < part < 0.75 for part in told)


def test_nothing_to_do_starts_nothing() -> None:
    assert list(spread(halved, [], Workers(ray="127.0.0.1:1"), "halving")) == []


@pytest.mark.parametrize(
    ("errors", "message"),
    [(["no"], "^0: no$"), (["no", "0 is", "1 is bad", "no"], "4 of 5 failed: 0: no; 1: 0 is; ")],
)
def test_every_result_or_an_error_that_names_pieces(errors: list[str], message: str) -> None:
    done = [Done(number, error=error) for number, error in enumerate(errors)]
    assert every([Done(0, "a"), Done(1, "b")], str) == ["a", "b"]
    with pytest.raises(M2R2Error, match=message):
        every([*done, Done(9, "a")], str)


def killed_at(folder: Path, piece: int) -> int:
    """Piece 1 has its process killed the first time, piece 2 each time."""
    with (folder / "begun").open("a") as file:
        file.write(f"{piece}\n")
    if piece == 2 or (piece == 1 and not (folder / "once").exists()):
        (folder / "once").touch()
        os._exit(9)
    return piece


def test_a_killed_process_loses_its_own_piece_alone(tmp_path: Path) -> None:
    done = list(spread(partial(killed_at, tmp_path), range(5), Workers(2), "working"))
    assert sorted(each.piece for each in done) == list(range(5))
    (lost,) = [each for each in done if each.error]
    assert lost.piece == 2 and "killed, alone, too" in lost.error
    begun = (tmp_path / "begun").read_text().split()
    # Begun twice is only what was under way when a process was killed, be it about to begin.
    assert begun.count("2") >= 1 and max(map(begun.count, begun)) <= 3
