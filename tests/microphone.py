"""A microphone for the browser tests, and what is done with a recorder.

There are two microphones: `lab.launch` starts a browser whose microphone plays a file, through all that a real one goes
through; a busy machine loses some of it. `pretend` puts a sound in the microphone's place inside the page: nothing of
it can be lost on the way to the recorder, and its clock stands where the sound is.
"""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal
from lab import MICROPHONE_RATE as RATE

from kurdtts_lib.widgets.recorder import LABELS

SENTENCE = "Roj baş, heval! Navê min Azad e û ez li Diyarbekirê dijîm."
ENGLISH = LABELS["en"]
PRETENDED = Path(__file__).with_name("pretended_microphone.js")


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
    page.add_init_script(path=PRETENDED)
    return page


def as_samples(sound: np.ndarray) -> np.ndarray:
    return np.rint(32768 * np.clip(sound, -1, 32767 / 32768)).astype("<i2")


def is_whole(take: np.ndarray, sound: np.ndarray) -> bool:
    """Whether `take` is, sample for sample, a part of the pretended microphone's `sound`; both int16."""
    loudest = int(np.argmax(np.abs(take[:-64])))
    start = sound.tobytes().find(take[loudest : loudest + 64].tobytes()) // 2 - loudest
    return start >= 0 and np.array_equal(sound[start : start + len(take)], take)


def new_page(browser: Any, allowed: bool = True, **options: Any) -> Any:
    context = browser.new_context(viewport=options.pop("viewport", {"width": 1100, "height": 800}), **options)
    context.grant_permissions(["microphone"] if allowed else [])
    return context.new_page()


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


def begin(page: Any) -> None:
    page.locator(".kurdtts-record").click()
    state(page, "recording")


def record(page: Any, seconds: float = 1) -> None:
    """Record for so long and wait until the take is kept."""
    begin(page)
    said_for(page, seconds)
    page.locator(".kurdtts-record").click()
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
