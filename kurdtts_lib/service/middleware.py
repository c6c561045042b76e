"""What a request must pass before an endpoint sees it: its host, its web page, its token, its size."""

import hmac
import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kurdtts_lib.service.errors import ServiceError, answer

OPEN_PATHS = ("/health",)
"""These answer without the token; with the page for contributors its files as well."""
TAIL_BYTES = 256
"""The end of a body that is kept to be looked at: longer than the last line of a form, 76 characters at most."""
DISCARDED_DIGITS = 7
"""Of a refused body's length: below 10 MB, as any take is, the server throws away what still comes for some seconds,
so that the client hears why. A connection that is closed before takes the answer with it."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
LOCAL_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?")


class Gate:
    """A middleware that lets a request through or refuses it."""

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
        """Raises ServiceError for a request that must not go on."""
        raise NotImplementedError


class HostGate(Gate):
    """Only requests for this machine's own name: a web page could give its own name this machine's address."""

    def check(self, scope: Scope, headers: Headers) -> None:
        if not LOCAL_HOST.fullmatch(headers.get("host", "").lower()):
            raise ServiceError(400, "wrong_host", f"This service answers to: {', '.join(LOCAL_NAMES)}.")


class OriginGate(Gate):
    """Only allowed web pages. CORS alone keeps a page from reading the answer, not from sending a form.

    own_page: the service serves a page itself, which may ask it. A page that gives its own name this service's address
    (DNS rebinding) is kept out by HostGate, or knows no token.
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


class TokenGate(Gate):
    """Only those who know the token."""

    def __init__(self, app: ASGIApp, token: str, open_paths: Collection[str] = OPEN_PATHS) -> None:
        super().__init__(app)
        self.expected, self.open_paths = token.encode("utf-8"), open_paths

    def check(self, scope: Scope, headers: Headers) -> None:
        if scope["path"] in self.open_paths:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")  # latin-1, as headers are
        # Bytes of any value, and in a time that does not tell how many of them are right.
        right = hmac.compare_digest(given.strip().encode("latin-1"), self.expected)
        if kind.lower() != "bearer" or not right:
            message = "A token is needed: Authorization: Bearer TOKEN."
            refusal = {"WWW-Authenticate": "Bearer"}
            if "transfer-encoding" in headers or len(headers.get("content-length", "")) > DISCARDED_DIGITS:
                refusal["Connection"] = "close"  # nothing more is read
            raise ServiceError(401, "unauthorized", message, refusal)


class BodyGate(Gate):
    """Only bodies of an allowed size: by what the header says, before any of it is read, and by what is counted.

    Starlette's own limit answers in plain text. The body's end is kept in the request's state as `body_tail`.
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
                raise self._too_large()  # FastAPI reads the body inside an endpoint: its handlers answer
            state["body_tail"] = (state["body_tail"] + message.get("body", b""))[-TAIL_BYTES:]
            return message

        await super().__call__(scope, counted, send)
