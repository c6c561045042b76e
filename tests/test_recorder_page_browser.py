"""The recorder on a plain page in a real browser: what is seen, pressed and said, and sound that is lost on its way.

What is recorded comes from a pretended microphone (`microphone.pretend`), so that nothing here hangs on the machine.
Which sound counts as lost is asked of the worklet alone, block by block and without a clock: what is lost, and where,
is said by the test. One test records from the browser's own microphone.
"""

import base64
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from lab import needs_browser, shot
from microphone import (
    ENGLISH,
    RATE,
    SENTENCE,
    alert,
    as_samples,
    begin,
    button,
    contrast,
    is_whole,
    new_page,
    played,
    pretend,
    record,
    said_for,
    state,
)

from kurdtts_lib.widgets.markup import STATIC

pytestmark = needs_browser
slow = pytest.mark.slow
Visit = Callable[..., Any]
SOUND = played(20)
PAGE = Path(__file__).with_name("recorder_page.html")


SITE = "http://localhost"  # no server is there: `open_panel` answers in its place
KINDS = {".js": "text/javascript", ".css": "text/css", ".json": "application/json"}


def static(route: Any) -> None:
    """The folder `static`, and a page that mounts the recorder with the language, longest take and text of its address.

    The receiver's side is a list, `window.sent`.
    """
    file = STATIC / urllib.parse.urlsplit(route.request.url).path.strip("/")
    if file.name == "page.html":
        route.fulfill(path=PAGE, content_type="text/html; charset=utf-8")
    elif file.is_file():
        route.fulfill(path=file, content_type=KINDS[file.suffix])
    else:
        route.fallback()


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any]) -> Any:
    return launch(SOUND)


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open the page with a pretended microphone; `script` runs in it first."""
    pages = []

    def visit_(script: str = "", sound: Any = SOUND, options: Any = None, **wishes: Any) -> Any:
        pages.append(pretend(new_page(browser, **(options or {})), sound))
        pages[-1].add_init_script(script)
        return open_panel(pages[-1], **wishes)

    yield visit_
    for page in pages:
        page.context.close()


def open_panel(page: Any, language: str = "en", longest: float = 60, site: str = SITE) -> Any:
    query = urllib.parse.urlencode({"language": language, "longest": longest, "text": SENTENCE})
    page.route(f"{site}/**", static)
    page.goto(f"{site}/page.html?{query}")
    page.locator(".kurdtts-recorder").wait_for()
    return page


def taken(page: Any) -> np.ndarray:
    """The newest take that came to the page's channel, (samples,), int16."""
    code = """() => { let text = '';
        for (const byte of new Uint8Array(sent.at(-1).data.buffer)) text += String.fromCharCode(byte);
        return btoa(text) }"""
    return np.frombuffer(base64.b64decode(page.evaluate(code)), "<i2")


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), pytest.param("dark", "kmr", marks=slow)])
def test_a_narrow_page_records_a_take_whole(visit: Visit, scheme: str, language: str) -> None:
    page = visit(language=language, options={"viewport": {"width": 360, "height": 700}, "color_scheme": scheme})
    fits = "() => document.documentElement.scrollWidth <= 360"
    assert page.evaluate(fits)
    assert contrast(page, ".kurdtts-sentence") > 7 and contrast(page, ".kurdtts-keys") > 4.5
    record(page)
    assert page.evaluate(fits)
    shot(page, f"recorder-{scheme}-{language}")
    assert page.evaluate("() => sent.map(({ kind }) => kind)") == ["cancel", "begin", "take"]
    assert is_whole(taken(page), as_samples(SOUND))


@slow
def test_keys_and_screen_readers_reach_everything_and_typing_elsewhere_records_nothing(visit: Visit) -> None:
    page = visit()
    focused = "() => document.activeElement.textContent"
    meter = page.get_by_role("meter", name=ENGLISH["level"])
    assert meter.get_attribute("aria-valuetext") == ENGLISH["level_silent"]
    page.evaluate("() => document.body.append(document.createElement('textarea'))")
    page.locator("textarea").press("r")
    assert page.locator(".kurdtts-recorder").get_attribute("data-state") == "idle"
    page.locator(".kurdtts-recorder").focus()
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == ENGLISH["record"]
    page.keyboard.press("Space")
    state(page, "recording")
    assert page.evaluate(focused) == ENGLISH["stop"], "the focus stays"
    page.locator(f'[role=meter][aria-valuetext="{ENGLISH["level_good"]}"]').wait_for()
    assert page.get_by_role("status").first.text_content() == ENGLISH["recording"]
    assert page.get_by_role("timer").text_content().endswith("/ 1:00")
    page.keyboard.press("Enter")
    state(page, "kept")
    page.keyboard.press("Tab")
    page.keyboard.press("r")
    state(page, "recording")
    assert page.evaluate(focused) == ENGLISH["play"], "the focus stays"
    page.keyboard.press("r")
    state(page, "kept")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.type") == "file"


@slow
def test_a_browser_that_does_not_resample_records_at_its_own_rate(visit: Visit) -> None:
    page = visit(
        """const Real = AudioContext;
        window.AudioContext = function (options) {
            const context = new Real(options ?? { sampleRate: 32000 });
            if (options) context.createMediaStreamSource = () => { throw new DOMException("", "NotSupportedError") };
            return context;
        };""",
        longest=2,
    )
    button(page, "record").click()
    state(page, "kept")
    assert "The recording stopped there" in page.locator(".kurdtts-error").text_content()
    assert page.evaluate("() => [sent.at(-1).samplingRate, sent.at(-1).size]") == [32_000, 64_000]


WEBM = """async () => {
    const context = new AudioContext(), tone = context.createOscillator(), end = context.createMediaStreamDestination();
    tone.connect(end).context.resume().then(() => tone.start());
    const recorder = new MediaRecorder(end.stream);
    recorder.start();
    setTimeout(() => recorder.stop(), 1500);
    const { data } = await new Promise((resolve) => (recorder.ondataavailable = resolve));
    const chosen = new DataTransfer(), input = document.querySelector("input[type=file]");
    chosen.items.add(new File([data], "a.webm"));
    (input.files = chosen.files), input.dispatchEvent(new Event("change"));
}"""


@slow
def test_a_webm_is_decoded_here_and_a_file_that_is_too_large_is_refused_and_the_take_goes(
    visit: Visit, tmp_path: Path
) -> None:
    page = visit()
    record(page)
    (tmp_path / "voice.wav").write_bytes(bytes(9 * 2**20 + 1))
    page.get_by_label(ENGLISH["upload"]).set_input_files(tmp_path / "voice.wav")
    page.get_by_text("The file is larger than 9 MB").wait_for()
    state(page, "idle")
    kinds = page.evaluate("() => sent.map(({ kind }) => kind)")
    assert kinds.count("take") == 1 and "begin" in kinds[kinds.index("take") :]
    page.evaluate(WEBM)
    state(page, "kept")
    source, rate, size = page.evaluate("() => [sent.at(-1).source, sent.at(-1).samplingRate, sent.at(-1).size]")
    assert (source, rate) == ("microphone", 48_000) and 24_000 < size < 480_000


@slow
@pytest.mark.parametrize(("gain", "warning"), [(4.0, "too_loud"), (0.0, "too_quiet")])
def test_too_loud_and_too_quiet_are_said(visit: Visit, gain: float, warning: str) -> None:
    page = visit(sound=gain * SOUND)
    begin(page)
    page.get_by_text(ENGLISH[warning]).wait_for()
    button(page, "stop").click()
    state(page, "kept")
    assert page.get_by_text(ENGLISH[warning]).is_visible(), "it stays until a new take"


FAILS = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException(%s) }"
OBSTACLES = {
    "refused": ("", {"options": {"allowed": False}}),
    "refused_system": (FAILS % "'Permission denied by system', 'NotAllowedError'", {}),
    "in_use": (FAILS % "'Could not start audio source', 'NotReadableError'", {}),
    "no_sound": (FAILS % "'anything else', 'UnknownError'", {}),
    "vscode": ("window.acquireVsCodeApi = () => {}", {}),
    "no_worklet": ("delete window.AudioWorkletNode", {}),
    "insecure": ("", {"site": "http://kurdtts.test"}),
}


@slow
@pytest.mark.parametrize("code", OBSTACLES)
def test_what_keeps_a_page_from_recording_has_its_sentence_and_files_are_taken(visit: Visit, code: str) -> None:
    script, options = OBSTACLES[code]
    page = visit(script, **options)
    record = button(page, "record")
    if code in ("vscode", "no_worklet", "insecure"):
        assert record.is_disabled(), "it says so at once"
    else:
        record.click()
    alert(page, code)
    assert page.get_by_label(ENGLISH["upload"]).is_enabled()


SWALLOWED = """const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (data, ...more) { if (data !== "end") post.call(this, data, ...more) };"""
HOLES = SOUND.copy()
HOLES.reshape(-1, RATE // 2)[:, 5000:5128] = 0
STOP = "document.querySelector('.kurdtts-record').click()"
NOT_WHOLE = {
    "incomplete": (SWALLOWED, SOUND, STOP),
    "gap": ("", HOLES, STOP),
    "unplugged": ("", SOUND, "stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))"),
    "text_changed": ("", SOUND, "panel.show({ text: 'Şev baş!', keptSeconds: 0 })"),
}


@pytest.mark.parametrize("code", NOT_WHOLE)
def test_a_take_that_is_not_whole_is_refused(visit: Visit, code: str) -> None:
    script, sound, happens = NOT_WHOLE[code]
    page = visit(script, sound)
    begin(page)
    said_for(page, 3)
    page.evaluate(f"() => {happens}")
    alert(page, code)
    state(page, "idle")
    assert page.evaluate("() => sent.at(-1).kind") == "cancel"


BLOCK = 128
WARMING_UP = 94 * BLOCK  # a quarter of a second
WORKLET = """async (away) => {
    const { WORKLET, hasGap } = await import("./capture.js");
    const sound = new Int16Array(await (await fetch("/pretended-microphone")).arrayBuffer());
    const blocks = Float32Array.from(sound, (value) => value / 32768);
    let Processor, take, now;
    globalThis.AudioWorkletProcessor = class { port = { postMessage: ({ ended }) => (take ??= ended) } };
    const register = (_, named) => (Processor = named);
    new Function("registerProcessor", "sampleRate", "Date", WORKLET)(register, 48000, { now: () => now });
    const processor = new Processor({ processorOptions: { longest: 60 * 48000 } });
    const happens = new Function("frame", `return (${away})`);
    for (let frame = 0; frame + 128 <= blocks.length; frame += 128) {
        window.currentFrame = frame;
        const { silent, late = 0, skipped } = happens(frame);
        now = (1000 * frame) / 48000 + late;
        if (!skipped) processor.process([silent ? [] : [blocks.subarray(frame, frame + 128)]]);
    }
    processor.end();
    sent.push({ data: take.sound });
    return hasGap(take);
}"""
SPOKEN = as_samples(played(4))
PLACE = 2 * RATE + 37
"""Where something happens to the sound, inside a block."""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    page = open_panel(new_page(browser))
    yield page
    page.context.close()


def has_gap(page: Any, sound: np.ndarray, away: str = "{}") -> bool:
    """Run the worklet over `sound`. `away`: JavaScript, what happens to the block that begins at `frame`."""
    page.unroute("**/pretended-microphone")
    page.route("**/pretended-microphone", lambda route: route.fulfill(body=sound.tobytes()))
    return page.evaluate(WORKLET, away)


def changed(part: np.ndarray | int, length: int) -> np.ndarray:
    """SPOKEN with something else in one place."""
    sound = SPOKEN.copy()
    sound[PLACE : PLACE + length] = part
    return sound


GATE = np.concatenate([np.ones(2 * RATE), np.linspace(1, 0, RATE // 100), np.zeros(RATE // 2), np.ones(4 * RATE)])
WHOLE = {
    "nothing is lost": (SPOKEN, "{}"),
    "a microphone that is muted": (np.zeros(4 * RATE, np.int16), "{}"),
    "a program that fades pauses to silence": (as_samples(played(4) * GATE[: 4 * RATE]), "{}"),
    "peaks that are cut off": (as_samples(4 * played(4)), "{}"),
    "a very quiet voice": (as_samples(0.002 * played(4)), "{}"),
    "sound that only came late": (SPOKEN, "{ late: frame > 90000 && frame < 100000 ? 200 : 0 }"),
}


@pytest.mark.parametrize(("sound", "away"), WHOLE.values(), ids=WHOLE)
def test_a_take_of_which_nothing_is_lost_is_kept_sample_for_sample(page: Any, sound: np.ndarray, away: str) -> None:
    assert not has_gap(page, sound, away)
    assert np.array_equal(taken(page), sound[WARMING_UP : len(sound) - len(sound) % BLOCK])


DAMAGED = {
    "a block of silence": (changed(0, 128), "{}"),
    "no sound any more": (changed(0, len(SPOKEN) - PLACE), "{}"),
    "a sample that is held": (changed(SPOKEN[PLACE - 1], 128), "{}"),
    "a block twice": (changed(SPOKEN[PLACE - 128 : PLACE], 128), "{}"),
    "a block again after a second": (changed(SPOKEN[PLACE - RATE : PLACE - RATE + 128], 128), "{}"),
    "the worklet is not called": (SPOKEN, "{ skipped: frame === 96000 }"),
    "it is called without sound": (SPOKEN, "{ silent: frame === 96000 }"),
    "the sound stays behind the clock": (SPOKEN, "{ late: frame > 96000 ? 40 : 0 }"),
    "it falls behind near the end": (SPOKEN, "{ late: frame > 130000 ? 40 : 0 }"),
}


@pytest.mark.parametrize(("sound", "away"), DAMAGED.values(), ids=DAMAGED)
def test_lost_sound_is_found_by_its_gap_by_frame_numbers_and_by_the_clock(
    page: Any, sound: np.ndarray, away: str
) -> None:
    assert has_gap(page, sound, away)


def test_a_take_of_a_minute_ends_by_itself(page: Any) -> None:
    two_clocks = "{ late: 0.0004 * frame / 48 }"  # that are not quite the same
    assert not has_gap(page, as_samples(played(61)), two_clocks) and len(taken(page)) == 60 * RATE


def test_a_take_from_the_browsers_microphone_is_whole_or_refused(launch: Callable[..., Any]) -> None:
    sound = played(26)
    page = open_panel(new_page(launch(sound)))
    button(page, "record").click()
    page.wait_for_function("() => document.querySelector('.kurdtts-recorder').dataset.state !== 'opening'")
    said_for(page, 6)
    button(page, "stop").click()
    page.locator('.kurdtts-recorder:is([data-state="kept"], [data-state="idle"])').wait_for()
    if page.locator(".kurdtts-recorder").get_attribute("data-state") == "idle":
        assert page.locator(".kurdtts-error").text_content() == ENGLISH["gap"]
    else:
        assert page.evaluate("() => sent.at(-1).samplingRate") == RATE and len(taken(page)) >= 6 * RATE
        part = taken(page)[-5 * RATE :] / 32768
        place = int(np.argmax(scipy.signal.correlate(sound, part, "valid")))
        assert np.corrcoef(part, sound[place : place + len(part)])[0, 1] > 0.98
    page.context.close()
