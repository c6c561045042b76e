"""The service as one ASGI application: its endpoints, and the gates in front of them."""

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
from kurdtts_lib.service.middleware import OPEN_PATHS, BodyGate, HostGate, OriginGate, TokenGate
from kurdtts_lib.service.openapi import describe_service
from kurdtts_lib.service.speech import Speaker
from kurdtts_lib.service.state import THREADS, ServiceState, Shared


@dataclass(frozen=True)
class ServiceSettings:
    """How the service is served."""

    profile: str | None = None
    """Of the trainings that it starts; None: the current voice's own."""
    token: str = ""
    """What a client must know; empty: nothing."""
    origins: tuple[str, ...] = ()
    """Web pages that may use the service: `https://example.org`."""
    most_bytes: int = 25_000_000
    """Of a body: a minute of sound in the best quality has 17 MB."""
    sentences: tuple[str, ...] = ()
    """That the page for contributors shows; empty: there is no such page."""
    proxies: tuple[str, ...] = ()
    """Addresses of proxies, which may say whom they ask for (X-Forwarded-For)."""


# An error's message may quote a text; FastAPI would send it to whatever collects measurements on this machine.
NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)


def create_app(settings: ServiceSettings) -> ASGIApp:
    """The application; it writes into the home as it is now."""
    app = FastAPI(
        title="kurdtts",
        version=__version__,
        telemetry=NO_TELEMETRY,
        docs_url=None,  # FastAPI's pages for people load their programs from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
        dependencies=[Depends(_not_too_often)],
    )
    app.state.service = ServiceState(FeedbackStore(), Jobs(settings.profile), Speaker())
    app.include_router(feedback_endpoints.router)
    app.include_router(speech_endpoints.router)
    if settings.sentences:
        app.state.sentences, app.state.most_bytes = settings.sentences, settings.most_bytes
        app.include_router(collect_endpoints.router)
    add_handlers(app)
    describe_service(app, with_token=bool(settings.token))
    # The last one added is the first that a request meets.
    app.add_middleware(BodyGate, most_bytes=settings.most_bytes)
    if settings.token:
        open_paths = (*OPEN_PATHS, *(collect.PATHS if settings.sentences else ()))
        app.add_middleware(TokenGate, token=settings.token, open_paths=open_paths)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Location", "Retry-After", "X-Request-Id"],
            allow_private_network=True,  # a page of the web that is allowed may ask this machine
        )
    app.add_middleware(OriginGate, allowed=settings.origins, own_page=bool(settings.sentences))
    if not settings.token:  # a page that knows no token gains nothing by another name, and a proxy brings its own
        app.add_middleware(HostGate)
    # Around everything: the answer to a bug is made outside of the middlewares that are added.
    return RequestLog(app)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield
    app.state.service.jobs.stop_all()


async def _not_too_often(shared: Shared, request: Request) -> None:
    """Raises ServiceError (429) for a POST too many. Its body was read: a client hears a refusal after it has sent."""
    client = request.client.host if request.client else ""
    wait = math.ceil(shared.buckets.wait_seconds(client)) if request.method == "POST" else 0
    if wait:
        message = f"Too many requests. Try again in {wait} s."
        raise ServiceError(429, "too_many_requests", message, {"Retry-After": str(wait)})
