# SPDX-License-Identifier: Apache-2.0
"""The reader in a thread of its own: order, errors, and an end in every case."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from m2r2_ros.parallel.read_ahead import read_ahead


def test_gives_all_items_in_order_from_another_thread() -> None:
    threads = set()

    def items() -> Iterator[int]:
        for number in range(100):
            threads.add(threading.current_thread())
            yield number

    with read_ahead(items(), 3) as ahead:
        assert list(ahead) == list(range(100))
    (reader,) = threads
    assert reader is not threading.current_thread()
    assert not reader.is_alive()


def test_is_never_further_ahead_than_it_may_be() -> None:
    produced = []
    with read_ahead((produced.append(number) or number for number in range(50)), 4) as ahead:
        for number in ahead:
            # In the queue, in the reader's hand, and just made.
            assert len(produced) <= number + 1 + 4 + 1


def test_an_error_comes_at_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    seen = []
    with pytest.raises(OSError, match="the disk is gone"), read_ahead(items(), 8) as ahead:
        seen.extend(iter(lambda: next(ahead), None))
    assert seen == [1, 2]


@pytest.mark.parametrize("taken", [0, 5])
def test_the_thread_ends_when_nobody_listens_any_more(taken: int) -> None:
    before = threading.active_count()
    with read_ahead(count(), 2) as ahead:
        assert [next(ahead) for _ in range(taken)] == list(range(taken))
    assert threading.active_count() == before
