"""Sound that is lost on its way to the recorder: in each place where it can be, such a take is refused aloud.

The page's microphone is a stand-in that runs the recorder's own worklet block by block, without a clock: what is lost,
and where, is said by the test. One test records from the browser's own microphone.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from lab import CHROMIUM
from microphone import (
    ENGLISH,
    RATE,
    alert,
    as_samples,
    button,
    launch,
    likeness,
    new_page,
    open_panel,
    played,
    said_for,
    site,
    state,
    taken,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
__all__ = ["launch", "site"]  # the fixtures

BLOCK = 128
WARMING_UP = 94 * BLOCK  # a quarter of a second
STAND_IN = """
navigator.mediaDevices.getUserMedia = async () => {
    const track = { stop() {}, getSettings: () => ({}) };
    return { getTracks: () => [track], getAudioTracks: () => [track] };
};
window.AudioContext = class {
    sampleRate = 48000;
    state = "running";
    destination = {};
    audioWorklet = { addModule: async () => {} };
    createMediaStreamSource() { return { context: this, connect: (node) => node }; }
    async resume() {}
    close() {}
};
window.AudioWorkletNode = class {
    constructor(context, name, options) {
        const toNode = (data) => this.port.onmessage({ data });
        globalThis.AudioWorkletProcessor = class { port = { postMessage: (data) => window.onWay(data, toNode) }; };
        const register = (_, Processor) => (window.processor = new Processor(options));
        new Function("registerProcessor", "sampleRate", "Date", window.WORKLET)(register, 48000, { now: () => now });
        this.port = { postMessage: (data) => processor.port.onmessage({ data }) };
    }
    connect(node) { return node; }
    disconnect() {}
};
window.onWay = (data, deliver) => deliver(data);
window.now = 0;
window.currentFrame = 0;
/** Run the worklet over the sound that the test serves. `away(frame)`: what happens to this block. */
window.feed = async (away) => {
    const sound = new Int16Array(await (await fetch("/pretended-microphone")).arrayBuffer());
    const blocks = Float32Array.from(sound, (value) => value / 32768);
    for (let frame = 0; frame + 128 <= blocks.length; frame += 128) {
        window.currentFrame = frame;
        const { silent, late = 0, skipped } = away(frame);
        window.now = (1000 * frame) / 48000 + late;
        if (!skipped) processor.process([silent ? [] : [blocks.subarray(frame, frame + 128)]]);
    }
};"""
SOUND = as_samples(played(4))
PLACE = 2 * RATE + 37
"""Where something happens to the sound, inside a block."""


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any]) -> Any:
    return launch(played(20))


@pytest.fixture
def page(browser: Any, site: str) -> Iterator[Any]:
    page = new_page(browser)
    page.add_init_script(STAND_IN)
    open_panel(page, site)
    page.evaluate("async () => { window.WORKLET = (await import('./capture.js')).WORKLET }")
    yield page
    page.context.close()


def take(page: Any, sound: np.ndarray, away: str = "{}") -> None:
    """Record `sound`. `away`: JavaScript, what happens to the block that begins at `frame`."""
    page.route("**/pretended-microphone", lambda route: route.fulfill(body=sound.tobytes()))
    button(page, "record").click()
    page.wait_for_function("() => window.processor")
    page.evaluate(f"() => feed((frame) => ({away}))")
    button(page, "stop").click()


def refused(page: Any, code: str) -> None:
    alert(page, code)
    state(page, "idle")
    assert page.evaluate("() => sent.filter(({ kind }) => kind === 'take').length") == 0


def kept(page: Any, sound: np.ndarray) -> None:
    state(page, "kept")
    assert page.locator(".kurdtts-error").text_content() == ""
    assert np.array_equal(taken(page), sound[WARMING_UP : len(sound) - len(sound) % BLOCK])


def changed(part: np.ndarray | int, length: int) -> np.ndarray:
    """SOUND with something else in one place."""
    sound = SOUND.copy()
    sound[PLACE : PLACE + length] = part
    return sound


def test_a_take_of_which_nothing_is_lost_is_kept_sample_for_sample(page: Any) -> None:
    take(page, SOUND)
    kept(page, SOUND)


DAMAGED = {
    "a block of silence": changed(0, 128),
    "no sound any more": changed(0, len(SOUND) - PLACE),
    "a sample that is held": changed(SOUND[PLACE - 1], 128),
    "a block twice": changed(SOUND[PLACE - 128 : PLACE], 128),
    "a block again after a second": changed(SOUND[PLACE - RATE : PLACE - RATE + 128], 128),
}


@pytest.mark.parametrize("sound", DAMAGED.values(), ids=DAMAGED)
def test_what_stands_in_the_place_of_lost_sound_is_found(page: Any, sound: np.ndarray) -> None:
    take(page, sound)
    refused(page, "gap")


@pytest.mark.parametrize(
    "away",
    {
        "the worklet is not called": "{ skipped: frame === 96000 }",
        "it is called without sound": "{ silent: frame === 96000 }",
        "the sound stays behind the clock": "{ late: frame > 96000 ? 40 : 0 }",
        "it falls behind near the end": "{ late: frame > 130000 ? 40 : 0 }",
    }.items(),
    ids=lambda item: item[0],
)
def test_sound_that_never_came_is_found_by_frame_numbers_and_clock(page: Any, away: tuple[str, str]) -> None:
    take(page, SOUND, away[1])
    refused(page, "gap")


@pytest.mark.parametrize(
    "on_way",
    ["{}", "data.ended.sound = data.ended.sound.slice(128); deliver(data)"],
    ids=["the message is lost", "its beginning is lost"],
)
def test_sound_that_is_lost_between_worklet_and_page_is_found(page: Any, on_way: str) -> None:
    page.evaluate(f"() => {{ onWay = (data, deliver) => {{ if (data.level) deliver(data); else {{ {on_way} }} }} }}")
    take(page, SOUND)
    refused(page, "incomplete")


GATE = np.concatenate([np.ones(2 * RATE), np.linspace(1, 0, RATE // 100), np.zeros(RATE // 2), np.ones(4 * RATE)])
HARMLESS = {
    "a microphone that is muted": np.zeros(4 * RATE, np.int16),
    "a program that fades pauses to silence": as_samples(played(4) * GATE[: 4 * RATE]),
    "peaks that are cut off": as_samples(4 * played(4)),
    "a very quiet voice": as_samples(0.002 * played(4)),
}


@pytest.mark.parametrize("sound", HARMLESS.values(), ids=HARMLESS)
def test_silence_and_loud_voices_are_no_loss(page: Any, sound: np.ndarray) -> None:
    take(page, sound)
    kept(page, sound)


def test_sound_that_only_came_late_is_no_loss(page: Any) -> None:
    take(page, SOUND, "{ late: frame > 90000 && frame < 100000 ? 200 : 0 }")
    kept(page, SOUND)


def test_a_take_of_a_minute_is_looked_through_at_once(page: Any) -> None:
    sound = as_samples(played(61))
    page.route("**/pretended-microphone", lambda route: route.fulfill(body=sound.tobytes()))
    button(page, "record").click()
    page.wait_for_function("() => window.processor")
    page.evaluate("() => feed((frame) => ({ late: 0.0004 * frame / 48 }))")  # two clocks that are not quite the same
    state(page, "kept")
    assert "The recording stopped there" in page.locator(".kurdtts-error").text_content()
    assert page.evaluate("() => sent.at(-1).size") == 60 * RATE


@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_a_take_from_the_browsers_microphone_is_whole_or_refused(
    launch: Callable[..., Any], site: str, seconds: int
) -> None:
    sound = played(seconds + 20)
    chromium = launch(sound)
    page = open_panel(new_page(chromium), site)
    button(page, "record").click()
    page.wait_for_function("() => document.querySelector('.kurdtts-recorder').dataset.state !== 'opening'")
    if seconds < 60:
        said_for(page, seconds)
        button(page, "stop").click()
    page.wait_for_function(
        "() => ['kept', 'idle'].includes(document.querySelector('.kurdtts-recorder').dataset.state)", timeout=180_000
    )
    said = page.locator(".kurdtts-error").text_content()
    if page.locator(".kurdtts-recorder").get_attribute("data-state") == "idle":
        assert said == ENGLISH["gap"]
    else:
        found = likeness(taken(page) / 32768, page.evaluate("() => sent.at(-1).samplingRate"), sound)
        assert len(found) >= 1 and found.min() > 0.98
        assert len(taken(page)) >= seconds * RATE
    chromium.close()
