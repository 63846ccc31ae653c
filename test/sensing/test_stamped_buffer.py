# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.sensing.buffer import StampedBuffer, usual_interval
from m2r2_ros.sensing.counters import StreamCounters


def make(capacity: int = 8) -> tuple[StampedBuffer, StreamCounters]:
    counters = StreamCounters()
    return StampedBuffer(capacity, 1, counters), counters


def append(buffer: StampedBuffer, *stamps: int, value: float = 0.0) -> None:
    rows = np.array(stamps, float)[:, None] + value
    buffer.append(np.array(stamps, np.int64), rows)


def test_late_rows_are_sorted_in_and_counted():
    buffer, counters = make()
    append(buffer, 1, 2, 6)
    append(buffer, 4, 3, 7)
    stamps, values = buffer.ordered()
    assert stamps.tolist() == [1, 2, 3, 4, 6, 7]
    assert values[:, 0].tolist() == [1, 2, 3, 4, 6, 7]
    assert counters.out_of_order == 2
    assert buffer.newest_ns == 7


def test_of_equal_stamps_the_first_arrival_stays():
    buffer, counters = make()
    append(buffer, 1, 2)
    append(buffer, 2, 3, value=100)
    stamps, values = buffer.ordered()
    assert stamps.tolist() == [1, 2, 3]
    assert values[:, 0].tolist() == [1, 2, 103]
    assert counters.duplicate == 1


def test_overflow_drops_the_oldest_rows_and_counts_them():
    buffer, counters = make(capacity=4)
    append(buffer, 1, 2, 3)
    append(buffer, 6, 5, 4)
    assert buffer.ordered()[0].tolist() == [3, 4, 5, 6]
    append(buffer, *range(10, 20))
    assert buffer.ordered()[0].tolist() == [16, 17, 18, 19]
    assert counters.dropped == 12


def test_discarding_keeps_the_left_neighbour():
    buffer, _ = make()
    append(buffer, 10, 20, 30)
    buffer.discard_before(25)
    assert buffer.ordered()[0].tolist() == [20, 30]
    buffer.discard_before(20)
    assert buffer.ordered()[0].tolist() == [20, 30]
    buffer.discard_before(5)
    assert len(buffer) == 2


@given(
    st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=12), max_size=20),
    st.integers(2, 12),
)
def test_the_buffer_holds_what_a_sorted_dictionary_would(batches, capacity):
    buffer, counters = make(capacity)
    model: dict[int, float] = {}
    unbounded = True
    for number, batch in enumerate(batches):
        append(buffer, *batch, value=100.0 * number)
        for stamp in batch:
            model.setdefault(stamp, stamp + 100.0 * number)
        unbounded &= counters.dropped == 0
        stamps, values = buffer.ordered()
        assert len(stamps) <= capacity
        assert (np.diff(stamps) > 0).all()
        if unbounded:
            assert dict(zip(stamps.tolist(), values[:, 0].tolist(), strict=True)) == model
    assert sum(map(len, batches)) == len(buffer) + counters.dropped + counters.duplicate


@pytest.mark.parametrize(
    ("stamps", "interval"), [([], 0), ([5], 0), ([5, 8], 3), ([0, 10, 20, 30, 500, 510], 10)]
)
def test_the_usual_interval_ignores_a_hole(stamps, interval):
    assert usual_interval(np.array(stamps)) == interval
