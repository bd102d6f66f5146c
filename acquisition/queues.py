"""The two queues of a session: one that never drops, and one that never holds anybody up."""

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueClosedError(Exception):
    """Something was put into a lossless queue that its reader has given up."""


class BoundedQueue(ABC, Generic[T]):
    """A first-in first-out queue between two threads; iterating takes items until it is closed and empty.

    None is no item.

    Parameters
    ----------
    capacity
        Items that may wait; at least 1.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a queue needs room for at least one item, not {capacity}")
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def capacity(self) -> int:
        """Items that may wait."""
        return self._capacity

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    @abstractmethod
    def put(self, item: T) -> None:
        """Append an item."""

    def close(self) -> None:
        """Accept nothing more; what waits can still be taken. May be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether the queue is closed and everything was taken."""
        with self._changed:
            return self._closed and not self._items

    def get(self, timeout_s: float | None = None) -> T | None:
        """Take the oldest item, waiting for one; None if none came in time or the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items), timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def __iter__(self) -> Iterator[T]:
        """Yield items, waiting for the next, until the queue is closed and empty."""
        while (item := self.get()) is not None:
            yield item


class LosslessQueue(BoundedQueue[T]):
    """A queue that makes its producer wait: what was put is taken, in order, exactly once."""

    def put(self, item: T) -> None:
        """Append an item, waiting for room if there is none.

        Raises
        ------
        QueueClosedError
            If the queue is closed, also while waiting.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                raise QueueClosedError
            self._items.append(item)
            self._changed.notify_all()


class SkippingQueue(BoundedQueue[T]):
    """A queue that never holds up its producer: when it is full the oldest item goes, and is counted."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self._skipped = 0

    @property
    def skipped(self) -> int:
        """Items that were dropped to make room."""
        return self._skipped

    def put(self, item: T) -> None:
        """Append an item at once; a closed queue ignores it."""
        with self._changed:
            if self._closed:
                return
            if len(self._items) == self._capacity:
                self._items.popleft()
                self._skipped += 1
            self._items.append(item)
            self._changed.notify_all()

    def drain(self) -> list[T]:
        """Return everything that waits, oldest first, without waiting."""
        with self._changed:
            items = list(self._items)
            self._items.clear()
            return items
