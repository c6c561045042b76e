"""The service's log: requests and errors, never anybody's recording, text or name."""

import logging
import sys
import time
import traceback
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("kurdtts.service")
LONGEST_PATH = 200


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
    """Middleware that logs one line per request, with an id that the client gets as `X-Request-Id`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        id, began = uuid.uuid4().hex[:12], time.perf_counter()
        scope.setdefault("state", {})["request_id"] = id
        status, bytes_in, bytes_out = 0, 0, 0

        async def counted_receive() -> Message:
            nonlocal bytes_in
            message = await receive()
            bytes_in += len(message.get("body", b""))
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
