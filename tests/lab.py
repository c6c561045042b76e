"""Chromium and JupyterLab for the browser tests; `KURDTTS_SHOTS` names a folder for screenshots."""

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import numpy as np
import pytest
import soundfile

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="no Chromium on this machine, or playwright is not installed",
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--host-resolver-rules=MAP kurdtts.test 127.0.0.1"]
PATIENCE_MS = 900_000  # it only ends what hangs
MICROPHONE_RATE = 48_000


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Start a browser whose microphone plays `sound` once; None: a machine without a microphone."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = []

        def launch_(sound: np.ndarray | None = None) -> Any:
            flags = [*FLAGS]
            if sound is not None:
                file = tmp_path_factory.mktemp("microphone") / "microphone.wav"
                soundfile.write(file, sound, MICROPHONE_RATE, subtype="PCM_16")
                flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={file}%noloop"]
            started.append(driver.chromium.launch(executable_path=CHROMIUM, args=flags))
            return started[-1]

        yield launch_
        for chromium in started:
            chromium.close()


def shot(part: Any, name: str) -> None:
    """Keep a picture of a page, or of a part of it."""
    if kept := os.environ.get("KURDTTS_SHOTS"):
        part.screenshot(path=Path(kept) / f"{name}.png")


class Lab(NamedTuple):
    """A running JupyterLab with a home of its own. All tests share it, so each has notebooks of its own."""

    address: str
    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def write(self, name: str, *cells: str) -> Path:
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # without it Lab asks which one
        code = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=kernel), self.folder / "notebooks" / name)
        return self.folder / "notebooks" / name

    def open(self, page: Any, name: str) -> Any:
        """Show a notebook and wait for its kernel."""
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{self.address}/doc/tree/{name}?reset")
        page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext")
        idle = "() => jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
        page.wait_for_function(idle)
        return page

    def run(self, page: Any, name: str) -> Any:
        """Show a notebook, run its cells to their end, and see that none fails."""
        run_all(self.open(page, name))
        cells_done(page)
        assert errors(page) == []
        return page

    def close(self, page: Any) -> None:
        page.evaluate("() => jupyterapp.serviceManager.sessions.shutdownAll()")
        page.context.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with settings, runtime files and home of its own."""
    folder, tests = tmp_path_factory.mktemp("lab"), Path(__file__).parent
    (folder / "notebooks").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"IPYTHONDIR": str(folder / "ipython"), "KURDTTS_HOME": str(folder / "home")}
    own["PYTHONPATH"] = os.pathsep.join(map(str, (tests.parent, tests)))
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True",
        "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=", f"--ServerApp.root_dir={folder / 'notebooks'}",
    ]  # fmt: skip
    with (folder / "lab.log").open("wb") as log:
        server = subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for_server(address, server, folder / "lab.log")
            yield Lab(address, folder)
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


def run_all(page: Any) -> None:
    """Start all cells and do not wait: a training cell would take minutes."""
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")


def cells_done(page: Any) -> None:
    page.wait_for_function(
        """() => [...jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')
            .every(c => c.executionCount && c.executionState !== 'running')"""
    )


def errors(page: Any) -> list[str]:
    return page.evaluate(
        """() => [...jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')
            .flatMap(c => c.outputs.toJSON()).filter(o => o.output_type === 'error').map(o => o.evalue)"""
    )
