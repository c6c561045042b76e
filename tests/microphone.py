"""A browser with a microphone for the browser tests, and the recorder on a plain page.

Two microphones: `launch` starts a browser whose microphone plays a file, through all that a real one goes through; a
busy machine loses some of it. `pretend` puts a sound in the microphone's place inside the page: nothing of it can be
lost on the way to the recorder, and its clock stands where the sound is.
"""

import base64
import functools
import http.server
import os
import shutil
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import soundfile
from lab import CHROMIUM, FLAGS

from kurdtts_lib.widgets.recorder import LABELS, STATIC

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

RATE = 48_000
SENTENCE = "Roj baş, heval! Navê min Azad e û ez li Diyarbekirê dijîm."
ENGLISH = LABELS["en"]
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>:root {color-scheme: light dark} body {margin: 8px}</style><link rel="stylesheet" href="recorder.css">
<div id="here"></div><script type="module">
import { mountPanel } from "./panel.js";
const wish = new URLSearchParams(location.search);
const language = wish.get("language");
const labels = (await (await fetch("labels.json")).json())[language];
const sent = (window.sent = []);
const channel = {
  begin: () => sent.push({ kind: "begin" }),
  send: async ({ source, samplingRate, data }) => {
    sent.push({ kind: "take", source, samplingRate, size: data.length, data });
    return data.length / samplingRate;
  },
  cancel: () => sent.push({ kind: "cancel" }),
};
const options = { channel, labels, language, longestSeconds: +wish.get("longest"), maxUploadBytes: 9 * 2 ** 20 };
window.panel = mountPanel(document.getElementById("here"), options);
panel.show({ text: wish.get("text"), keptSeconds: 0 });
</script></html>"""
PRETENDED = """
const CLOCK = "if (globalThis.registerProcessor) Date.now = () => 1000 * currentTime;"; // in the worklet
if (navigator.mediaDevices) {
    const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    let sound;
    navigator.mediaDevices.getUserMedia = async (wishes) => {
        window.stream = await get(wishes);
        sound ??= new Int16Array(await (await fetch("/pretended-microphone")).arrayBuffer());
        return stream;
    };
    AudioContext.prototype.createMediaStreamSource = function () {
        const buffer = this.createBuffer(1, sound.length, 48000);
        buffer.copyToChannel(Float32Array.from(sound, (value) => value / 32768), 0);
        const source = this.createBufferSource();
        source.buffer = buffer;
        source.start();
        return source;
    };
    window.Blob = class extends Blob {
        constructor(parts, options) {
            super(options?.type === "text/javascript" ? [CLOCK, ...parts] : parts, options);
        }
    };
}"""


def played(seconds: float) -> np.ndarray:
    """(samples,) at 48 kHz: noise of a voice's band in bursts like syllables, no two seconds alike; peak 0.5."""
    random = np.random.default_rng(6)
    band = scipy.signal.butter(4, (150, 6000), "bandpass", fs=RATE, output="sos")
    noise = scipy.signal.sosfilt(band, random.standard_normal(round(seconds * RATE)))
    syllables = random.uniform(0.05, 1.0, round(seconds * 4) + 1)
    voice = noise * np.interp(np.arange(len(noise)) / RATE, np.arange(len(syllables)) / 4, syllables)
    return 0.5 * voice / np.abs(voice).max()


def pretend(page: Any, sound: np.ndarray) -> Any:
    """Put `sound`, (samples,) in [-1, 1] at 48 kHz, in the place of the microphone's; before the page is opened."""
    content = as_samples(sound).tobytes()
    page.route("**/pretended-microphone", lambda route: route.fulfill(body=content))
    page.add_init_script(PRETENDED)
    return page


def as_samples(sound: np.ndarray) -> np.ndarray:
    return np.rint(32768 * np.clip(sound, -1, 32767 / 32768)).astype("<i2")


def taken(page: Any) -> np.ndarray:
    """The newest take that came to the plain page's channel, (samples,), int16."""
    code = """() => { let text = '';
        for (const byte of new Uint8Array(sent.at(-1).data.buffer)) text += String.fromCharCode(byte);
        return btoa(text) }"""
    return np.frombuffer(base64.b64decode(page.evaluate(code)), "<i2")


def is_whole(take: np.ndarray, sound: np.ndarray) -> bool:
    """Whether `take` is, sample for sample, a part of the pretended microphone's `sound`; both int16."""
    loudest = int(np.argmax(np.abs(take[:-64])))
    start = sound.tobytes().find(take[loudest : loudest + 64].tobytes()) // 2 - loudest
    return start >= 0 and np.array_equal(sound[start : start + len(take)], take)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The recorder's files as a plain web page finds them, without any notebook."""
    handler = functools.partial(SiteHandler, directory=str(STATIC))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class SiteHandler(http.server.SimpleHTTPRequestHandler):
    """The folder `static`, and a page that mounts the recorder with the language, longest take and text of its address.

    The receiver's side is a list, `window.sent`.
    """

    def do_GET(self) -> None:
        if not self.path.startswith("/page.html"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def guess_type(self, path: Any) -> str:
        return {".js": "text/javascript", ".css": "text/css"}.get(Path(path).suffix, "application/json")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Start a browser whose microphone plays `sound` once; None: a machine without a microphone."""
    with playwright.sync_playwright() as driver:
        started = []

        def launch_(sound: np.ndarray | None) -> Any:
            flags = [*FLAGS, "--host-resolver-rules=MAP kurdtts.test 127.0.0.1"]
            if sound is not None:
                file = tmp_path_factory.mktemp("microphone") / "microphone.wav"
                soundfile.write(file, sound, RATE, subtype="PCM_16")
                flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={file}%noloop"]
            started.append(driver.chromium.launch(executable_path=CHROMIUM, args=flags))
            return started[-1]

        yield launch_
        for chromium in started:
            chromium.close()


def new_page(browser: Any, allowed: bool = True, **options: Any) -> Any:
    context = browser.new_context(viewport=options.pop("viewport", {"width": 1100, "height": 800}), **options)
    context.grant_permissions(["microphone"] if allowed else [])
    return context.new_page()


def open_panel(page: Any, site: str, language: str = "en", longest: float = 60) -> Any:
    query = urllib.parse.urlencode({"language": language, "longest": longest, "text": SENTENCE})
    page.goto(f"{site}/page.html?{query}")
    page.locator(".kurdtts-recorder").wait_for()
    return page


def shot(page: Any, folder: Path, name: str) -> None:
    """Keep a picture of the recorder; `KURDTTS_SHOTS` names a folder for copies."""
    page.locator(".kurdtts-recorder").screenshot(path=folder / f"{name}.png")
    if kept := os.environ.get("KURDTTS_SHOTS"):
        Path(kept).mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / f"{name}.png", kept)


def state(page: Any, name: str) -> None:
    """Wait until the recorder is in this state."""
    page.locator(f'.kurdtts-recorder[data-state="{name}"]').wait_for(timeout=180_000)


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=ENGLISH[name], exact=True)


def alert(page: Any, name: str) -> None:
    """Wait until the recorder says this sentence."""
    page.get_by_role("alert").get_by_text(ENGLISH[name], exact=True).wait_for()


def said_for(page: Any, seconds: float) -> None:
    """Wait until the take is so long."""
    page.wait_for_function(
        """seconds => { const [m, s] = document.querySelector('.kurdtts-time').textContent.split('/')[0].split(':');
            return 60 * m + +s >= seconds }""",
        arg=seconds,
        timeout=(seconds + 180) * 1000,
    )


def record(page: Any, seconds: float = 1) -> None:
    """Record for so long and wait until the take is kept."""
    button(page, "record").or_(button(page, "again")).click()
    state(page, "recording")
    said_for(page, seconds)
    button(page, "stop").click()
    state(page, "kept")


def contrast(page: Any, selector: str) -> float:
    """Contrast of a text with the recorder's ground, after WCAG; 4.5 is legible, 7 is good."""
    colours = page.evaluate(
        """selector => [selector, '.kurdtts-recorder'].map((name, i) => {
            const { color } = getComputedStyle(document.querySelector(name));
            const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
            const ground = getComputedStyle(document.querySelector('.kurdtts-recorder')).backgroundColor;
            for (canvas.fillStyle of [ground, i ? ground : color]) canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
        })""",
        selector,
    )
    values = np.array(colours) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)


def likeness(take: np.ndarray, rate: int, reference: np.ndarray, block: int = 5) -> np.ndarray:
    """Correlation of each `block` seconds of a take with the place of the reference that they are most like.

    The place lies at most four seconds away; a take may begin before the microphone plays.
    """
    size, values = block * RATE, []
    reference = np.concatenate([np.zeros(4 * RATE), reference])
    if rate != RATE:
        take = scipy.signal.resample_poly(take, RATE, rate)
    for start in range(0, len(take) - size + 1, size):
        part = take[start : start + size]
        around = reference[start : start + size + 8 * RATE]
        place = int(np.argmax(scipy.signal.correlate(around, part, "valid")))
        values.append(np.corrcoef(part, around[place : place + size])[0, 1])
    return np.array(values)
