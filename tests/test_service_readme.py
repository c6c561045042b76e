"""The examples for other programs in docs/service.md do what they show, against a real service."""

import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from lab import MICROPHONE_RATE, needs_browser
from microphone import new_page
from serving import Served, serving, wav
from speechlike import syllables

from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service import jobs
from kurdtts_lib.service.state import ServiceSettings

PAGE = (REPOSITORY / "docs" / "service.md").read_text(encoding="utf-8")
TRAINER = """
import pathlib, sys
from kurdtts_lib.feedback.job import reported
with reported(pathlib.Path(sys.argv[1])) as report:
    report.end("done", "Trained.")
"""


def example(language: str, served: Served) -> str:
    """The page's example in this language, with the service's own address."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    assert "http://127.0.0.1:8765" in code
    return code.replace("http://127.0.0.1:8765", served.address)


@pytest.fixture
def page() -> Iterator[str]:
    """A page of another origin than the service's: a list of files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture
def served(page: str, current: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(jobs, "training_command", lambda _, folder: [sys.executable, "-c", TRAINER, str(folder)])
    with serving(ServiceSettings(origins=(page,))) as service:
        yield service


def run(command: list[str], folder: Path) -> str:
    (folder / "right.wav").write_bytes(wav())
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stderr
    assert soundfile.info(folder / "speech.wav").frames > 1000
    return done.stdout


def test_the_python_example_submits_accepts_trains_and_speaks(served: Served, tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(example("python", served), encoding="utf-8")
    printed = run([sys.executable, "-X", "utf8", "example.py"], tmp_path)
    assert "roj baş, heval." in printed and printed.strip().endswith("done Trained.")
    (correction,) = FeedbackStore().corrections()
    assert (correction.text, correction.contributor, correction.state) == ("Roj baş, heval.", "Azad", "accepted")
    for path in re.findall(r"`(/[a-z.]+)`", PAGE):
        assert served.client.get(urllib.parse.urljoin(served.address, path)).status_code == 200


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="no curl or no bash on this machine")
def test_the_curl_example_submits_and_speaks(served: Served, tmp_path: Path) -> None:
    printed = run(["bash", "-ec", example("sh", served)], tmp_path)
    (correction,) = FeedbackStore().corrections()
    assert correction.id in printed and correction.text == "Roj baş, heval."


@needs_browser
@pytest.mark.slow
def test_the_javascript_example_sends_what_the_microphone_heard(
    served: Served, page: str, launch: Callable[..., Any]
) -> None:
    tab = new_page(launch(syllables(60.0, pitch=200.0, rate=MICROPHONE_RATE)))
    tab.goto(page)
    tab.add_script_tag(content=example("js", served))
    answer = tab.evaluate("submit('Roj baş, heval.', 2.5)")
    refused = tab.evaluate("submit('روژ', 0.5).catch((error) => error.message)")
    (correction,) = FeedbackStore().corrections()
    assert answer["id"] == correction.id and answer["spoken"] == "roj baş, heval." and "no reading" in refused
    sound, rate = soundfile.read(FeedbackStore().sound(correction))
    assert len(sound) / rate > 0.5  # how long it heard is a matter of the machine's load
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.fft.rfftfreq(len(sound), 1 / rate)[spectrum.argmax()] == pytest.approx(200.0, abs=6)
