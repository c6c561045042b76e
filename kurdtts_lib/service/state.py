"""State shared by the endpoints."""

import threading
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service.jobs import Jobs
from kurdtts_lib.service.rate_limit import Buckets
from kurdtts_lib.service.speech import Speaker

THREADS = 100
"""Requests handled at a time: all texts that may wait, a school class that sends its takes, and some more."""
CHECKS = 4
"""Takes checked at a time: each may need 100 MB for a minute of audio."""


@dataclass
class ServiceState:
    """The store, the training jobs, the loaded voices, and the rate limits of the clients."""

    store: FeedbackStore
    jobs: Jobs
    speaker: Speaker
    buckets: Buckets = field(default_factory=Buckets)
    checking: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CHECKS))


async def _state(request: Request) -> ServiceState:
    return request.app.state.service


Shared = Annotated[ServiceState, Depends(_state)]
