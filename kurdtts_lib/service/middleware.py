"""What happens to a request before an endpoint sees it: a line in the log, and the checks of who may ask.

The log tells requests and errors, never anybody's recording, text or name.
"""

import hmac
import logging
import re
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kurdtts_lib.service.collect import PATHS
from kurdtts_lib.service.errors import CODES, ServiceError
from kurdtts_lib.service.state import ServiceSettings

log = logging.getLogger("kurdtts.service")
LOCAL_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?")


class PrivateFormatter(logging.Formatter):
    """Tracebacks without the exceptions' messages, which may quote a text."""

    def formatException(self, ei: Any) -> str:
        error, lines = ei[1], []
        while error is not None:
            lines += [*traceback.format_tb(error.__traceback__), f"{type(error).__name__} (its message is left out)\n"]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "".join(lines).rstrip()


def start_logging() -> None:
    """Log to standard error, our own lines and the server's alike."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrivateFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("kurdtts.service", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)


class RequestLog:
    """Logs one line per request, with an id that the client gets as `X-Request-Id`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        id, began, status = uuid.uuid4().hex[:12], time.perf_counter(), 0
        scope.setdefault("state", {})["request_id"] = id

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        finally:
            # Percent-encoded, as received: a decoded line break would start a forged line.
            path = scope.get("raw_path", b"").decode("ascii", "replace")
            milliseconds = 1000 * (time.perf_counter() - began)
            line = "%s %s %s %d ms, request %s"
            log.info(line, scope["method"], path, status or "no answer", milliseconds, id)


class Gate:
    """Passes a request on if none of `checks` raises ServiceError, which is the response. Reads nothing of the body."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, *checks: Callable) -> None:
        self.app, self.settings, self.checks = app, settings, checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] == "http":
            try:
                for check in self.checks:
                    check(self.settings, HTTPConnection(scope))
            except ServiceError as error:
                app = error.response()
        await app(scope, receive, send)


def check_host(settings: ServiceSettings, request: HTTPConnection) -> None:
    """Only this machine's own names: a page could point its name at this machine (DNS rebinding).

    With a token that is useless, and a proxy has its own host name. Starlette's check knows no 127.0.0.2, and no JSON.
    """
    if not settings.token and not LOCAL_HOST.fullmatch(request.headers.get("host", "").lower()):
        raise ServiceError(400, "wrong_host", "This service answers to: localhost, 127.0.0.1, [::1].")


def check_origin(settings: ServiceSettings, request: HTTPConnection) -> None:
    """Only allowed web pages, and our own. CORS alone keeps a page from reading the response, not from sending a form.

    A page that points its own name at this service is refused by `check_host`, or has no token.
    """
    origin = request.headers.get("origin")
    if origin is None or origin in settings.origins:
        return
    # Behind a proxy with HTTPS the service does not know the scheme, so only the host is compared.
    own = origin.partition("://")[2].lower() == request.headers.get("host", "").lower() != ""
    if not (settings.sentences and own):
        raise ServiceError(
            403, "wrong_origin", "This web page may not use the service. Start it with --allow-origin URL."
        )


def check_token(settings: ServiceSettings, request: HTTPConnection) -> None:
    """The token, except for `/health` and the files of the page for contributors."""
    path, headers = request.scope["path"], request.headers
    if not settings.token or path == "/health" or (settings.sentences and path in PATHS):
        return
    kind, _, given = headers.get("authorization", "").partition(" ")  # latin-1, as headers are
    # Works for bytes of any value, in a time that does not depend on how many of them are right.
    right = hmac.compare_digest(given.strip().encode("latin-1"), settings.token.encode("utf-8"))
    if kind.lower() != "bearer" or not right:
        message = "A token is needed: Authorization: Bearer TOKEN."
        raise ServiceError(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})


def check_length(settings: ServiceSettings, request: HTTPConnection) -> None:
    """The body's announced length: Starlette's limit, which counts what arrives, responds to it in plain text."""
    if int(request.headers.get("content-length", 0)) > settings.most_bytes:
        raise ServiceError(413, *CODES[413])
