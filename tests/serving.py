"""The service on a real socket, in a thread of the test's process, and takes to send."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import uvicorn
from speechlike import encoded, syllables

from kurdtts_lib.service.app import server_config
from kurdtts_lib.service.state import ServiceSettings

TEXT = "Roj baş, heval. Ez li vir im."
TOKEN = "a-token-with-ş-in-it"
BEARER = {"Authorization": f"Bearer {TOKEN}".encode()}


@dataclass
class Served:
    """A running service, and a client of it."""

    address: str
    port: int
    client: httpx.Client

    def submit(self, seed: int = 0, **changes: object) -> httpx.Response:
        """Submit take number `seed`; a field that is None is left out."""
        fields = {"audio": ("a.wav", wav(seed), "audio/wav"), "text": TEXT, "consent": "true", **changes}
        files = {name: value for name, value in fields.items() if isinstance(value, tuple)}
        data = {name: value for name, value in fields.items() if isinstance(value, str)}
        return self.client.post("/feedback", files=files, data=data)

    def raw(self, *pieces: bytes, close: bool = True) -> bytes:
        """Send bytes as they are, close our half or leave it open, and give all that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=6000) as connection:
            for piece in pieces:
                connection.sendall(piece)
            if close:
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65_536), b""))


def wav(seed: int = 0, seconds: float = 2.5) -> bytes:
    """A take: another seed is another sound."""
    return encoded(syllables(seconds, pitch=140.0 + seed, seed=seed), 16_000, "WAV")


@contextlib.contextmanager
def serving(settings: ServiceSettings | None = None, port: int = 0) -> Iterator[Served]:
    """Serve on a free port or on this one, as `kurdtts serve` does, until the block is left."""
    server = uvicorn.Server(server_config(settings or ServiceSettings()))
    with socket.create_server(("127.0.0.1", port)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the service did not start"
                time.sleep(0.01)
            address = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=address, timeout=600) as client:
                yield Served(address, port, client)
        finally:
            server.should_exit = True
            thread.join(timeout=600)
    assert not thread.is_alive()


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a failure, which must have the one form of all failures."""
    body = response.json()
    assert list(body) == ["error"] and sorted(body["error"]) == ["code", "message"], body
    assert body["error"]["message"] and response.headers["content-type"] == "application/json"
    return response.status_code, body["error"]["code"]


def raw_refusal(answer: bytes) -> tuple[int, str]:
    """The same of raw bytes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["code"]


def form(boundary: str, *fields: tuple[str, str, bytes]) -> bytes:
    """A multipart body of (name, file name, content)."""
    body = b""
    for name, file_name, content in fields:
        about = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name else "")
        body += f"--{boundary}\r\nContent-Disposition: {about}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


def head(length: int | None) -> bytes:
    """The head of a form that is sent to `/feedback`; without a length its body comes in chunks."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    kind = "Content-Type: multipart/form-data; boundary=xyz"
    lines = ["POST /feedback HTTP/1.1", "Host: 127.0.0.1", "Connection: close", size, kind]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
