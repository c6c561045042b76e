"""What happens to a request before an endpoint sees it: a line in the log, and the checks of who may ask and how often.

The log tells requests and errors, never anybody's recording, text or name.
"""

import hmac
import logging
import re
import sys
import time
import traceback
import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kurdtts_lib.service.collect import PATHS
from kurdtts_lib.service.errors import ServiceError
from kurdtts_lib.service.state import ServiceSettings

log = logging.getLogger("kurdtts.service")
LONGEST_PATH = 200
"""Characters of an address in the log."""
TAIL_BYTES = 256
"""Bytes kept from the end of a body: more than the last line of a form, which has 76 characters at most."""
DISCARDED_DIGITS = 7
"""Of a refused body's Content-Length: below 10 MB the server reads and discards the rest for some seconds, so that the
client gets the response. If the connection is closed before, the response is lost."""
LOCAL_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?")
BURST = 300
"""Requests that one client may make at once: a school class behind one address, or a table of corrections."""
PER_SECOND = 10.0
"""Requests per second on average: 30 pupils who each hear, check and send a sentence in 12 s make 7.5."""
CLIENTS = 10_000
"""Addresses that are remembered, the most recent ones."""


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
    """Logs one line per request, with an id that the client gets as `X-Request-Id`; keeps the end of the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        id, began = uuid.uuid4().hex[:12], time.perf_counter()
        state = scope.setdefault("state", {})
        state |= {"request_id": id, "body_tail": b""}
        status, bytes_in, bytes_out = 0, 0, 0

        async def counted_receive() -> Message:
            nonlocal bytes_in
            message = await receive()
            body = message.get("body", b"")
            bytes_in += len(body)
            state["body_tail"] = (state["body_tail"] + body)[-TAIL_BYTES:]
            return message

        async def counted_send(message: Message) -> None:
            nonlocal status, bytes_out
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", id.encode())]
            bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, counted_receive, counted_send)
        finally:
            # Percent-encoded, as received: a decoded line break would start a forged line.
            path = scope.get("raw_path", b"").decode("ascii", "replace")[:LONGEST_PATH]
            milliseconds = 1000 * (time.perf_counter() - began)
            line = "%s %s %s %d ms, %d bytes in, %d out, request %s"
            log.info(line, scope["method"], path, status or "no answer", milliseconds, bytes_in, bytes_out, id)


class Gate:
    """Passes a request on if none of `checks` raises ServiceError, which is the response. Reads nothing of the body."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, checks: tuple[Callable, ...]) -> None:
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
        refusal = {"WWW-Authenticate": "Bearer"}
        if "transfer-encoding" in headers or len(headers.get("content-length", "")) > DISCARDED_DIGITS:
            refusal["Connection"] = "close"  # the rest of the body is not read
        raise ServiceError(401, "unauthorized", "A token is needed: Authorization: Bearer TOKEN.", refusal)


def check_length(settings: ServiceSettings, request: HTTPConnection) -> None:
    """The body's announced length: Starlette's limit responds to it in plain text. That one counts what arrives."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 18 or int(length) > settings.most_bytes:
        megabytes = settings.most_bytes / 1_000_000
        raise ServiceError(413, "too_large", f"The body is too large; {megabytes:g} MB are allowed.")


class RateLimit:
    """A bucket of tokens for each client: a request takes a token, and tokens are refilled over time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were so many

    def wait_seconds(self, client: str) -> float:
        """Take a token: 0 if there was one, else the seconds until there is one."""
        now = self._clock()
        tokens, filled = self._buckets.pop(client, (BURST, now))
        tokens = min(BURST, tokens + PER_SECOND * (now - filled))
        self._buckets[client] = (tokens - (tokens >= 1), now)  # at the end: most recent
        if len(self._buckets) > CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if tokens >= 1 else (1 - tokens) / PER_SECOND
