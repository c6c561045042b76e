"""`kurdtts serve` as a reader starts it: what is unsafe is refused, and Ctrl-C ends it."""

import dataclasses
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
from kurdtts_lib.service.collect import read_sentences
from kurdtts_lib.service.state import ServiceSettings

ORIGINS = ("*", "https://*.example", "page.example", "https://a.example/x", "file:///x", "")
OTHER_HOSTS = ("0.0.0.0", "192.168.0.7", "::", "my-machine")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        *(
            (["--host", host, *token], "secrets.token_urlsafe(32)")
            for host in OTHER_HOSTS
            for token in ([], ["--token", ""])
        ),
        *((["--allow-origin", origin], "https://a.org") for origin in ORIGINS),
        (["--port", "70000"], "--port 8766"),
        (["--port", "TAKEN"], "--port 8766"),
        (["--profile", "big"], "'sample' or 'full'"),
        (["--sentences", "x.txt"], "Add --collect"),
    ],
)
def test_what_it_cannot_serve_with_is_told_at_once(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KURDTTS_TOKEN", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        assert app.main(["serve", *(taken if given == "TAKEN" else given for given in arguments)]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_this_machine_needs_no_token(host: str) -> None:
    server.check(ServiceSettings(), host)
    server.check(ServiceSettings(token="x"), "0.0.0.0")


def test_the_arguments_reach_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[tuple] = []
    monkeypatch.setattr(server, "serve", lambda *arguments: given.append(arguments))
    monkeypatch.setenv("KURDTTS_TOKEN", "of the environment")
    (tmp_path / "hevok.txt").write_text("Roj baş.", encoding="utf-8")
    for line in (
        "",
        "--host ::1 --port 1 --profile full --token t --max-mb 0.5 --allow-origin https://a.example/ "
        "--allow-origin http://b.example:81",
        "--collect",
    ):
        assert app.main(["serve", *line.split()]) == 0
    assert app.main(["serve", "--collect", "--sentences", str(tmp_path / "hevok.txt")]) == 0
    of_the_environment = ServiceSettings(token="of the environment")
    assert given == [
        (of_the_environment, "127.0.0.1", 8765),
        (ServiceSettings("full", "t", ("https://a.example", "http://b.example:81"), 500_000), "::1", 1),
        (dataclasses.replace(of_the_environment, sentences=read_sentences(None)), "127.0.0.1", 8765),
        (dataclasses.replace(of_the_environment, sentences=("Roj baş.",)), "127.0.0.1", 8765),
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
