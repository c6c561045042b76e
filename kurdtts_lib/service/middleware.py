"""Middleware that checks a request before it reaches an endpoint: its host, its origin, its token, its size."""

import hmac
import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kurdtts_lib.service.errors import ServiceError, answer

OPEN_PATHS = ("/health",)
"""Need no token; nor do the files of the page for contributors."""
TAIL_BYTES = 256
"""Bytes kept from the end of a body: more than the last line of a form, which has 76 characters at most."""
DISCARDED_DIGITS = 7
"""Of a refused body's Content-Length: below 10 MB the server reads and discards the rest for some seconds, so that the
client gets the response. If the connection is closed before, the response is lost."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
LOCAL_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?")


class CheckMiddleware:
    """Middleware that passes a request on or refuses it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self.check(scope, Headers(scope=scope))
            except ServiceError as error:
                refusal = answer(error.status_code, error.code, str(error.detail), error.headers)
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def check(self, scope: Scope, headers: Headers) -> None:
        """Raises ServiceError to refuse a request."""
        raise NotImplementedError


class HostMiddleware(CheckMiddleware):
    """Accepts only this machine's own names as host: a page could point its name at this machine (DNS rebinding)."""

    def check(self, scope: Scope, headers: Headers) -> None:
        if not LOCAL_HOST.fullmatch(headers.get("host", "").lower()):
            raise ServiceError(400, "wrong_host", f"This service answers to: {', '.join(LOCAL_NAMES)}.")


class OriginMiddleware(CheckMiddleware):
    """Accepts only allowed origins. CORS alone keeps a page from reading the response, not from sending a form.

    own_page: the service itself serves a page, which may call it. A page that points its own name at this service (DNS
    rebinding) is refused by HostMiddleware, or has no token.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str], own_page: bool) -> None:
        super().__init__(app)
        self.allowed, self.own_page = allowed, own_page

    def check(self, scope: Scope, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or origin in self.allowed:
            return
        # Behind a proxy with HTTPS the service does not know the scheme, so only the host is compared.
        own = origin.partition("://")[2].lower() == headers.get("host", "").lower() != ""
        if not (self.own_page and own):
            raise ServiceError(
                403, "wrong_origin", "This web page may not use the service. Start it with --allow-origin URL."
            )


class TokenMiddleware(CheckMiddleware):
    """Accepts only requests with the token."""

    def __init__(self, app: ASGIApp, token: str, open_paths: Collection[str] = OPEN_PATHS) -> None:
        super().__init__(app)
        self.expected, self.open_paths = token.encode("utf-8"), open_paths

    def check(self, scope: Scope, headers: Headers) -> None:
        if scope["path"] in self.open_paths:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")  # latin-1, as headers are
        # Works for bytes of any value, in a time that does not depend on how many of them are right.
        right = hmac.compare_digest(given.strip().encode("latin-1"), self.expected)
        if kind.lower() != "bearer" or not right:
            message = "A token is needed: Authorization: Bearer TOKEN."
            refusal = {"WWW-Authenticate": "Bearer"}
            if "transfer-encoding" in headers or len(headers.get("content-length", "")) > DISCARDED_DIGITS:
                refusal["Connection"] = "close"  # the rest of the body is not read
            raise ServiceError(401, "unauthorized", message, refusal)


class BodyMiddleware(CheckMiddleware):
    """Accepts only bodies of an allowed size: by Content-Length before anything is read, and by the bytes counted.

    Starlette's own limit responds in plain text. The body's end is kept in the request's state as `body_tail`.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        super().__init__(app)
        self.most_bytes = most_bytes

    def check(self, scope: Scope, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 18 or int(length) > self.most_bytes:
            raise self._too_large()

    def _too_large(self) -> ServiceError:
        megabytes = self.most_bytes / 1_000_000
        return ServiceError(413, "too_large", f"The body is too large; {megabytes:g} MB are allowed.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        count = 0
        state = scope.setdefault("state", {})
        state["body_tail"] = b""

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > self.most_bytes:
                raise self._too_large()  # FastAPI reads the body inside an endpoint: its handlers respond
            state["body_tail"] = (state["body_tail"] + message.get("body", b""))[-TAIL_BYTES:]
            return message

        await super().__call__(scope, counted, send)
