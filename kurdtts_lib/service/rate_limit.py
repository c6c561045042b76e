"""How much one client may ask for."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

BURST = 300
"""Requests that one client may make at once: a class of pupils behind one address, or a table of corrections."""
PER_SECOND = 10.0
"""And on average: 30 pupils who each hear, check and send a sentence in 12 s make 7.5."""
CLIENTS = 10_000
"""Addresses that are remembered, those that asked last."""


@dataclass
class _Bucket:
    tokens: float
    filled: float


class Buckets:
    """A bucket of tokens for each client: a request takes one, and time fills it again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_seconds(self, client: str) -> float:
        """Take a token: 0 if there was one, else how many seconds until there is."""
        with self._lock:
            now = self._clock()
            bucket = self._buckets.pop(client, None) or _Bucket(BURST, now)
            self._buckets[client] = bucket  # at the end: asked last
            if len(self._buckets) > CLIENTS:
                self._buckets.popitem(last=False)
            bucket.tokens = min(BURST, bucket.tokens + PER_SECOND * (now - bucket.filled))
            bucket.filled = now
            if bucket.tokens < 1:
                return (1 - bucket.tokens) / PER_SECOND
            bucket.tokens -= 1
            return 0.0
