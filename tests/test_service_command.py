"""`kurdtts serve` as a reader starts it: what is unsafe is refused, and Ctrl-C ends it."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from kurdtts_lib.cli import app
from kurdtts_lib.service import app as server
from kurdtts_lib.service.state import ServiceSettings


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "::", "my-machine"])
def test_another_host_needs_a_token_and_it_is_said_how_to_make_one(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KURDTTS_TOKEN", raising=False)
    for token in ([], ["--token", ""]):
        assert app.main(["serve", "--host", host, *token]) == 1
        assert "secrets.token_urlsafe(32)" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_this_machine_needs_none(host: str) -> None:
    server.check(ServiceSettings(), host)
    server.check(ServiceSettings(token="x"), "0.0.0.0")


ORIGINS = ("*", "https://*.example", "page.example", "https://a.example/x", "file:///x", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        *((["--allow-origin", origin], "https://a.org") for origin in ORIGINS),
        (["--port", "70000"], "--port 8766"),
        (["--profile", "big"], "'sample' or 'full'"),
    ],
)
def test_what_it_cannot_serve_with_is_told_at_once(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["serve", *arguments]) == 1
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert app.main(["serve", "--port", str(other.getsockname()[1])]) == 1
    assert "--port 8766" in capsys.readouterr().err


def test_the_arguments_reach_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple] = []
    monkeypatch.setattr(server, "serve", lambda *arguments: given.append(arguments))
    monkeypatch.setenv("KURDTTS_TOKEN", "of the environment")
    app.main(["serve"])
    app.main(
        [
            *("serve", "--host", "::1", "--port", "1", "--profile", "full", "--token", "t", "--max-mb", "0.5"),
            *("--allow-origin", "https://a.example/", "--allow-origin", "http://b.example:81"),
        ]
    )
    origins = ("https://a.example", "http://b.example:81")
    full = ServiceSettings("full", "t", origins, 500_000)
    assert given == [
        (ServiceSettings(None, "of the environment", (), 25_000_000), "127.0.0.1", 8765),
        (full, "::1", 1),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a whole console")
def test_it_serves_until_it_is_told_to_stop_and_logs_to_the_standard_error(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-X", "utf8", "-m", "kurdtts_lib.cli", "serve", "--port", "0"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env={**os.environ})
        try:
            assert process.stdout
            line = process.stdout.readline().decode("utf-8")
            address = re.findall(r"http://127\.0\.0\.1:\d+", line)
            assert address, (tmp_path / "log").read_text(encoding="utf-8")
            assert httpx.get(f"{address[0]}/health", timeout=600).json()["ok"] is True
            assert httpx.get(f"{address[0]}/feedback/x").status_code == 404
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=600) == 0
        finally:
            process.kill()
            process.wait()
    written = (tmp_path / "log").read_text(encoding="utf-8")
    assert "GET /health 200" in written and "GET /feedback/x 404" in written and "Traceback" not in written
    assert "Application shutdown complete" in written
