"""The service: its application, and `kurdtts serve`, which puts it on a socket."""

import contextlib
import ipaddress
import re
import socket
from collections.abc import AsyncIterator

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from kurdtts_lib import __version__
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.service import endpoints, middleware
from kurdtts_lib.service.errors import RESPONSES, add_handlers
from kurdtts_lib.service.jobs import Jobs
from kurdtts_lib.service.state import ServiceSettings, ServiceState

ABOUT = """Corrections of a Kurmanji voice, and its speech. Every failure has one form:
`{"error": {"code": "...", "message": "..."}}`, and every answer an `X-Request-Id`."""
# An error's message may quote a text, and FastAPI would send it to any telemetry collector on this machine.
NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)
THREADS = 100
"""Requests handled at a time: a school class that listens, one that sends its takes, and some more."""
ORIGIN = re.compile(r"https?://[^/\s*]+")
SHUTDOWN_SECONDS = 30
"""Time for open requests to finish when the service is stopped."""


def create_app(settings: ServiceSettings) -> ASGIApp:
    """The application; it writes to the home directory that is set now."""
    app = FastAPI(
        title="kurdtts",
        version=__version__,
        description=ABOUT,
        telemetry=NO_TELEMETRY,
        docs_url=None,  # FastAPI's documentation pages load their scripts from a CDN
        redoc_url=None,
        lifespan=_lifespan,
        responses=RESPONSES,
    )
    app.state.service = ServiceState(settings, Jobs(settings.profile))
    app.include_router(endpoints.router)
    if settings.sentences:
        app.include_router(endpoints.page)
    add_handlers(app)
    if settings.token:
        _describe_token(app.openapi())
    # The middleware added last is the first to see a request.
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.most_bytes)
    app.add_middleware(middleware.Gate, settings, middleware.check_token, middleware.check_length)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Location", "Retry-After", "X-Request-Id"],
        allow_private_network=True,  # an allowed page on the web may call this machine
    )
    app.add_middleware(middleware.Gate, settings, middleware.check_host, middleware.check_origin)
    # Outermost: Starlette makes the response to an unexpected exception outside of all added middleware.
    return middleware.RequestLog(app)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield
    app.state.service.jobs.close()


def _describe_token(schema: dict) -> None:
    """Write into the OpenAPI description that all endpoints but one need the token: FastAPI does not know our check."""
    schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{"token": []}]
    schema["paths"]["/health"]["get"]["security"] = []


def serve(settings: ServiceSettings, host: str, port: int) -> None:
    """Serve until Ctrl-C or SIGTERM. Port 0 takes a free one and prints it.

    Raises KurdTTSError for unsafe or invalid settings, before anything is opened, and for an address in use.
    """
    check(settings, host)
    listening = _listen(host, port)
    middleware.start_logging()
    port = listening.getsockname()[1]
    print(f"Serving on {_address(host, port)} (Ctrl-C stops)", flush=True)
    if settings.sentences:
        print(where_to_record(settings, host, port), flush=True)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C: uvicorn closes everything, then raises it once more
        uvicorn.Server(server_config(settings)).run(sockets=[listening])


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def where_to_record(settings: ServiceSettings, host: str, port: int) -> str:
    """The address of the page for contributors, and what other devices need. Does not contain the token itself."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    token = "#token=TOKEN (in place of TOKEN the token)" if settings.token else ""
    return (
        f"Record here: {_address(here, port)}/collect{token}\n"
        "Other devices, such as a phone, need a proxy with HTTPS in front and the link "
        "https://YOUR-ADDRESS/collect#token=TOKEN; the service needs a token then (docs/service.md)."
    )


def server_config(settings: ServiceSettings) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,  # ours has the same, and less about the client
        proxy_headers=False,
        http="h11",
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def check(settings: ServiceSettings, host: str) -> None:
    """Raises KurdTTSError for settings that would be unsafe or have no effect."""
    if not settings.token and not _only_this_machine(host):
        raise KurdTTSError(
            f"{host} is open to other machines, so the service needs a token. Make one with `python -c "
            '"import secrets; print(secrets.token_urlsafe(32))"`, put it into the environment variable KURDTTS_TOKEN, '
            "and start again."
        )
    for origin in settings.origins:
        if not ORIGIN.fullmatch(origin):
            raise KurdTTSError(f"{origin!r} is not the address of a web page's server. Write it like https://a.org.")


def _only_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise KurdTTSError(
            f"The service cannot listen on {host}, port {port} ({error}). Is it running already? Take another port: "
            "`kurdtts serve --port 8766`."
        ) from error
