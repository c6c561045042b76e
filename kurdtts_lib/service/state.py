"""What the endpoints share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request

from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service.failures import RETRY_SECONDS, ServiceError
from kurdtts_lib.service.jobs import Jobs
from kurdtts_lib.service.speaking import Speaker

STORE_THREADS = 4
"""Takes that are checked at a time: each may need 100 MB for a minute of sound."""
MOST_WAITING = 16
"""Texts that wait or are being spoken. A text of the greatest length takes minutes on a processor."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class State:
    """The store, the trainings and the voices; each piece of work runs in a thread, off the event loop."""

    store: FeedbackStore
    jobs: Jobs
    speaker: Speaker
    _store_pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(STORE_THREADS, "store"))
    _speech_pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "speech"))
    _waiting: int = 0

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what uses the store, which may wait half a minute for another program."""
        return await asyncio.get_running_loop().run_in_executor(self._store_pool, partial(function, *args, **kwargs))

    async def speech(self, voice: str, text: str, file_format: str, speed: float) -> bytes:
        """Speak, one text after the other. Raises ServiceError (503) if too many wait."""
        with self._one_more():
            return await self._speak(self.speaker.speech, voice, text, file_format, speed)

    async def raw_speech(self, voice: str, text: str, speed: float) -> AsyncIterator[bytes]:
        """`speech` in the form "pcm", clause by clause: heard while it is spoken. Other texts take turns with it."""
        with self._one_more():
            clauses = await self._speak(self.speaker.raw_speech, voice, text, speed)
            first = await self._speak(next, clauses, b"")  # what goes wrong goes wrong before the answer begins

        async def all_of_it() -> AsyncIterator[bytes]:
            with self._one_more(refuse=False):
                chunk = first
                while chunk:
                    yield chunk
                    chunk = await self._speak(next, clauses, b"")

        return all_of_it()

    @contextmanager
    def _one_more(self, refuse: bool = True) -> Iterator[None]:
        if refuse and self._waiting >= MOST_WAITING:
            message = f"{MOST_WAITING} texts are waiting to be spoken. Try again in a moment."
            raise ServiceError(503, "busy", message, {"Retry-After": str(RETRY_SECONDS)})
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _speak(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._speech_pool, partial(function, *args, **kwargs))

    def close(self) -> None:
        self.jobs.stop_all()
        self._store_pool.shutdown()
        self._speech_pool.shutdown(cancel_futures=True)


def _state(request: Request) -> State:
    return request.app.state.service


Shared = Annotated[State, Depends(_state)]
