"""Settings of the service, and the state that its endpoints share."""

import threading
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service.jobs import Jobs

CHECKS = 4
"""Takes checked at a time: each may need 100 MB for a minute of audio."""


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of the service."""

    profile: str | None = None
    """Profile of the trainings that it starts; None: the current voice's own."""
    token: str = ""
    """Bearer token that clients must send; empty: none."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may use the service, such as `https://example.org`."""
    most_bytes: int = 25_000_000
    """Largest request body: a minute of audio in the best quality has 17 MB."""
    sentences: tuple[str, ...] = ()
    """Sentences of the page for contributors; empty: there is no such page."""


@dataclass
class ServiceState:
    """The store and the training jobs."""

    settings: ServiceSettings
    jobs: Jobs
    store: FeedbackStore = field(default_factory=FeedbackStore)
    checking: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CHECKS))


async def _state(request: Request) -> ServiceState:
    return request.app.state.service


Shared = Annotated[ServiceState, Depends(_state)]
