"""The lossless queue loses nothing and blocks; the skipping queue never blocks and counts what it skips."""

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack.acquisition.queues import LosslessQueue, QueueClosedError, SkippingQueue


def run(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target)
    thread.start()
    return thread


@pytest.mark.parametrize("capacity", [1, 3, 64])
def test_lossless_queue_delivers_everything_in_order_to_a_slow_reader(capacity: int) -> None:
    queue: LosslessQueue[int] = LosslessQueue(capacity)
    longest = 0

    def produce() -> None:
        for item in range(200):
            queue.put(item)
        queue.close()

    thread = run(produce)
    taken = []
    for item in queue:
        longest = max(longest, len(queue))
        taken.append(item)
        if item % 50 == 0:
            time.sleep(0.002)
    thread.join()
    assert taken == list(range(200))
    assert longest <= capacity


def test_lossless_queue_makes_its_producer_wait() -> None:
    queue: LosslessQueue[int] = LosslessQueue(2)
    put = []

    def produce() -> None:
        for item in range(3):
            queue.put(item)
            put.append(item)

    thread = run(produce)
    time.sleep(0.05)
    assert put == [0, 1]
    assert next(iter(queue)) == 0
    thread.join(timeout=5.0)
    assert put == [0, 1, 2]


def test_closing_wakes_a_producer_that_waits() -> None:
    queue: LosslessQueue[int] = LosslessQueue(1)
    queue.put(0)
    raised = threading.Event()

    def produce() -> None:
        with pytest.raises(QueueClosedError):
            queue.put(1)
        raised.set()

    thread = run(produce)
    time.sleep(0.02)
    queue.close()
    assert raised.wait(5.0)
    thread.join()
    assert list(queue) == [0]


def test_closing_wakes_a_reader_that_waits() -> None:
    queue: SkippingQueue[int] = SkippingQueue(1)
    ended = threading.Event()

    def consume() -> None:
        assert list(queue) == []
        ended.set()

    thread = run(consume)
    queue.close()
    assert ended.wait(5.0)
    thread.join()


@given(st.lists(st.one_of(st.integers(0, 9), st.none()), max_size=60), st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_skipping_queue_keeps_the_newest_and_counts_the_rest(steps: list[int | None], capacity: int) -> None:
    queue: SkippingQueue[int] = SkippingQueue(capacity)
    put: list[int] = []
    taken: list[int] = []
    for step in steps:
        if step is None:
            newest = put[max(0, len(put) - len(queue)) :]
            drained = queue.drain()
            assert drained == newest
            taken += drained
        else:
            queue.put(step)
            put.append(step)
            assert len(queue) <= capacity
    taken += queue.drain()
    assert len(taken) + queue.skipped == len(put)
    assert taken[-1:] == put[-1:]


def test_get_waits_for_an_item_or_the_end() -> None:
    queue: SkippingQueue[int] = SkippingQueue(1)
    started = time.monotonic()
    assert queue.get(0.02) is None
    assert time.monotonic() - started >= 0.015
    queue.put(1)
    assert queue.get(0.0) == 1
    queue.put(2)
    queue.close()
    assert not queue.ended
    assert queue.get(5.0) == 2
    assert queue.ended
    queue.put(3)
    assert queue.get(5.0) is None
    assert queue.closed


@pytest.mark.parametrize("kind", [LosslessQueue, SkippingQueue])
def test_a_queue_needs_room(kind: type[LosslessQueue[int]] | type[SkippingQueue[int]]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        kind(0)
