"""Rate limit per client, by token buckets."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

BURST = 300
"""Requests that one client may make at once: a school class behind one address, or a table of corrections."""
PER_SECOND = 10.0
"""Requests per second on average: 30 pupils who each hear, check and send a sentence in 12 s make 7.5."""
CLIENTS = 10_000
"""Addresses that are remembered, the most recent ones."""


@dataclass
class _Bucket:
    tokens: float
    filled: float


class Buckets:
    """A token bucket for each client: a request takes a token, and tokens are refilled over time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_seconds(self, client: str) -> float:
        """Take a token: 0 if there was one, else the seconds until there is one."""
        with self._lock:
            now = self._clock()
            bucket = self._buckets.pop(client, None) or _Bucket(BURST, now)
            self._buckets[client] = bucket  # at the end: most recent
            if len(self._buckets) > CLIENTS:
                self._buckets.popitem(last=False)
            bucket.tokens = min(BURST, bucket.tokens + PER_SECOND * (now - bucket.filled))
            bucket.filled = now
            if bucket.tokens < 1:
                return (1 - bucket.tokens) / PER_SECOND
            bucket.tokens -= 1
            return 0.0
