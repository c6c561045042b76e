"""`kurdtts serve`: the application on a socket."""

import contextlib
import ipaddress
import re
import socket

import uvicorn

from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.service.app import ServiceSettings, create_app
from kurdtts_lib.service.logs import start_logging

ORIGIN = re.compile(r"https?://[^/\s*]+")
SHUTDOWN_SECONDS = 30
"""Time for open requests to finish when the service is stopped."""


def serve(settings: ServiceSettings, host: str, port: int) -> None:
    """Serve until Ctrl-C or SIGTERM. Port 0 takes a free one and prints it.

    Raises KurdTTSError for unsafe or invalid settings, before anything is opened, and for an address in use.
    """
    check(settings, host)
    listening = _listen(host, port)
    start_logging()
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
    token = "#token=TOKEN" if settings.token else ""
    place = f"Record here: {_address(here, port)}/collect{token}"
    if settings.token:
        place += " (in place of TOKEN the token)"
    return (
        f"{place}\nOther devices, such as a phone: browsers give the microphone only to pages with https. Put a proxy "
        f"with HTTPS in front of port {port} and open https://YOUR-ADDRESS/collect#token=TOKEN there; the service "
        "needs a token then (README)."
    )


def server_config(settings: ServiceSettings) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,  # ours has the same, and less about the client
        # Only from known proxies: any other client could claim another address to escape the rate limit.
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
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
    for proxy in settings.proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise KurdTTSError(f"{proxy!r} is not the address of a proxy. Write it like 127.0.0.1.") from error


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
