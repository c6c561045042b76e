"""JupyterLab and Chromium for the browser tests."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE_MS = 900_000  # it only ends what hangs


@contextlib.contextmanager
def running_lab(workspace: Path) -> Iterator[str]:
    """JupyterLab for `workspace / "notebooks"` with settings, runtime files and home of its own; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {f"JUPYTER_{kind}_DIR": str(workspace / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"IPYTHONDIR": str(workspace / "ipython"), "KURDTTS_HOME": str(workspace / "home")}
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True",
        "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=", f"--ServerApp.root_dir={workspace / 'notebooks'}",
    ]  # fmt: skip
    with (workspace / "lab.log").open("wb") as log:
        server = subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for_server(address, server, workspace / "lab.log")
            yield address
        finally:
            server.terminate()
            server.wait(600)


def wait_for_server(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(1800):
        assert server.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        with contextlib.suppress(OSError):  # refused until it listens
            urllib.request.urlopen(f"{address}/api", timeout=60).close()
            return
        time.sleep(0.5)
    pytest.fail("JupyterLab did not answer: " + log.read_text(encoding="utf-8", errors="replace")[-2000:])


def open_notebook_page(page: Any, address: str, name: str) -> None:
    """Show a notebook and wait for its kernel."""
    page.goto(f"{address}/doc/tree/{name}?reset")
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext", timeout=PATIENCE_MS)
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'",
        timeout=PATIENCE_MS,
    )


def run_all(page: Any) -> None:
    """Start all cells and do not wait: a training cell would take minutes."""
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")


def cells_done(page: Any, number: int | None = None) -> None:
    """Wait until the first `number` code cells, or all, have run."""
    page.wait_for_function(
        """number => {
            const cells = [...jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code');
            const ended = cell => cell.executionCount && cell.executionState !== 'running';
            return cells.slice(0, number ?? cells.length).every(ended);
        }""",
        arg=number,
        timeout=PATIENCE_MS,
    )


def errors(page: Any) -> list[str]:
    return page.evaluate(
        """() => [...jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')
            .flatMap(c => c.outputs.toJSON()).filter(o => o.output_type === 'error').map(o => o.evalue)"""
    )
