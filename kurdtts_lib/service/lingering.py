"""An answer to a request that is still being sent arrives: the connection is closed only after some listening."""

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_SECONDS = 10
MOST_BYTES = 200_000_000
"""What is thrown away at most; who sends more than that is not going to listen."""


class Lingering:
    """A middleware. A system that closes a connection with unread bytes takes back what it had just sent.

    So where an answer was given before the whole body was read, as to a body that is too large, the rest is read first.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        whole = False

        async def watched_receive() -> Message:
            nonlocal whole
            message = await receive()
            whole = whole or not message.get("more_body", False)  # also where the client has gone
            return message

        async def patient_send(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not last or whole:
                await send(message)
                return
            await send({**message, "more_body": True})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_SECONDS):
                    taken = 0
                    while not whole and taken < MOST_BYTES:
                        taken += len((await watched_receive()).get("body", b""))
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self.app(scope, watched_receive, patient_send)
