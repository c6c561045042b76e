"""The service as one ASGI application: its endpoints and its middleware."""

import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI, Request
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from kurdtts_lib import __version__
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service import collect, collect_endpoints, feedback_endpoints, speech_endpoints
from kurdtts_lib.service.errors import ServiceError, add_handlers
from kurdtts_lib.service.jobs import Jobs
from kurdtts_lib.service.logs import RequestLog
from kurdtts_lib.service.middleware import OPEN_PATHS, BodyMiddleware, HostMiddleware, OriginMiddleware, TokenMiddleware
from kurdtts_lib.service.openapi import describe_service
from kurdtts_lib.service.speech import Speaker
from kurdtts_lib.service.state import THREADS, ServiceState, Shared


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
    proxies: tuple[str, ...] = ()
    """Addresses of proxies whose X-Forwarded-For is trusted."""


# An error's message may quote a text, and FastAPI would send it to any telemetry collector on this machine.
NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)


def create_app(settings: ServiceSettings) -> ASGIApp:
    """The application; it writes to the home directory that is set now."""
    app = FastAPI(
        title="kurdtts",
        version=__version__,
        telemetry=NO_TELEMETRY,
        docs_url=None,  # FastAPI's documentation pages load their scripts from a CDN
        redoc_url=None,
        lifespan=_lifespan,
        dependencies=[Depends(_limit_rate)],
    )
    app.state.service = ServiceState(FeedbackStore(), Jobs(settings.profile), Speaker())
    app.include_router(feedback_endpoints.router)
    app.include_router(speech_endpoints.router)
    if settings.sentences:
        app.state.sentences, app.state.most_bytes = settings.sentences, settings.most_bytes
        app.include_router(collect_endpoints.router)
    add_handlers(app)
    describe_service(app, with_token=bool(settings.token))
    # The middleware added last is the first to see a request.
    app.add_middleware(BodyMiddleware, most_bytes=settings.most_bytes)
    if settings.token:
        open_paths = (*OPEN_PATHS, *(collect.PATHS if settings.sentences else ()))
        app.add_middleware(TokenMiddleware, token=settings.token, open_paths=open_paths)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Location", "Retry-After", "X-Request-Id"],
            allow_private_network=True,  # an allowed page on the web may call this machine
        )
    app.add_middleware(OriginMiddleware, allowed=settings.origins, own_page=bool(settings.sentences))
    if not settings.token:  # DNS rebinding is useless without the token, and a proxy has its own host name
        app.add_middleware(HostMiddleware)
    # Outermost: Starlette makes the response to an unexpected exception outside of all added middleware.
    return RequestLog(app)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield
    app.state.service.jobs.stop_all()


async def _limit_rate(shared: Shared, request: Request) -> None:
    """Raises ServiceError (429) for too many POSTs, after the body: clients read a response only when all is sent."""
    client = request.client.host if request.client else ""
    wait = math.ceil(shared.buckets.wait_seconds(client)) if request.method == "POST" else 0
    if wait:
        message = f"Too many requests. Try again in {wait} s."
        raise ServiceError(429, "too_many_requests", message, {"Retry-After": str(wait)})
