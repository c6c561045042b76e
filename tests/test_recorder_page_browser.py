"""The recorder on a plain page in a real browser: what is seen, pressed and said.

What is recorded comes from a pretended microphone (`microphone.pretend`), so that nothing here hangs on the machine.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import CHROMIUM
from microphone import (
    ENGLISH,
    RATE,
    alert,
    as_samples,
    button,
    contrast,
    is_whole,
    launch,
    new_page,
    open_panel,
    played,
    pretend,
    record,
    said_for,
    shot,
    site,
    state,
    taken,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
slow = pytest.mark.slow
__all__ = ["launch", "site"]  # the fixtures
SOUND = played(20)


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any]) -> Any:
    return launch(SOUND)


@pytest.fixture
def visit(browser: Any, site: str) -> Iterator[Callable[..., Any]]:
    """Open the page with a pretended microphone; `script` runs in it first."""
    pages = []

    def visit_(script: str = "", language: str = "en", longest: float = 60, sound: Any = SOUND, **options: Any) -> Any:
        page = pretend(new_page(browser, **options), sound)
        pages.append(page)
        page.add_init_script(script)
        return open_panel(page, site, language, longest)

    yield visit_
    for page in pages:
        page.context.close()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=slow)])
@pytest.mark.parametrize("language", ["en", pytest.param("kmr", marks=slow)])
def test_a_narrow_page_records_a_take_whole(
    visit: Callable[..., Any], scheme: str, language: str, tmp_path: Path
) -> None:
    page = visit(language=language, viewport={"width": 360, "height": 700}, color_scheme=scheme)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert contrast(page, ".kurdtts-sentence") > 7 and contrast(page, ".kurdtts-keys") > 4.5
    shot(page, tmp_path, f"page-{scheme}-{language}-ready")
    page.locator(".kurdtts-record").click()
    state(page, "recording")
    said_for(page, 1)
    shot(page, tmp_path, f"page-{scheme}-{language}-recording")
    page.locator(".kurdtts-record").click()
    state(page, "kept")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    shot(page, tmp_path, f"page-{scheme}-{language}-kept")
    assert page.evaluate("() => sent.map(({ kind }) => kind)") == ["cancel", "begin", "take"]
    assert is_whole(taken(page), as_samples(SOUND))


@slow
def test_screen_readers_hear_level_state_and_time(visit: Callable[..., Any]) -> None:
    page = visit()
    meter = page.get_by_role("meter", name=ENGLISH["level"])
    assert meter.get_attribute("aria-valuetext") == ENGLISH["level_silent"]
    button(page, "record").click()
    page.locator(f'[role=meter][aria-valuetext="{ENGLISH["level_good"]}"]').wait_for()
    assert page.get_by_role("status").first.text_content() == ENGLISH["recording"]
    assert page.get_by_role("timer").text_content().endswith("/ 1:00")


@slow
def test_tab_reaches_every_button_and_typing_elsewhere_records_nothing(visit: Callable[..., Any]) -> None:
    page = visit()
    focused = "() => document.activeElement.textContent"
    page.evaluate("() => document.body.append(document.createElement('textarea'))")
    page.locator("textarea").press("r")
    assert page.locator(".kurdtts-recorder").get_attribute("data-state") == "idle"
    page.locator(".kurdtts-recorder").focus()
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == ENGLISH["record"]
    page.keyboard.press("Space")
    state(page, "recording")
    assert page.evaluate(focused) == ENGLISH["stop"], "the focus stays"
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
def test_the_longest_take_ends_by_itself_and_says_so(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit(longest=3)
    button(page, "record").click()
    state(page, "kept")
    assert "The recording stopped there" in page.get_by_role("alert").text_content()
    assert page.evaluate("() => sent.at(-1).size") == 3 * RATE
    shot(page, tmp_path, "page-longest")


@slow
def test_a_browser_that_does_not_resample_records_at_its_own_rate(visit: Callable[..., Any]) -> None:
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
    assert page.evaluate("() => [sent.at(-1).samplingRate, sent.at(-1).size]") == [32_000, 64_000]


@slow
def test_a_take_without_an_end_is_not_kept_when_the_microphone_is_unplugged(visit: Callable[..., Any]) -> None:
    page = visit()
    button(page, "record").click()
    state(page, "recording")
    page.evaluate("() => stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    state(page, "idle")
    assert page.get_by_role("alert").text_content() == ENGLISH["unplugged"]
    assert page.evaluate("() => sent.at(-1).kind") == "cancel"


@slow
def test_a_new_sentence_drops_what_is_being_recorded(visit: Callable[..., Any]) -> None:
    page = visit()
    button(page, "record").click()
    state(page, "recording")
    page.evaluate("() => panel.show({ text: 'Şev baş!', keptSeconds: 0 })")
    state(page, "idle")
    assert page.get_by_role("alert").text_content() == ENGLISH["text_changed"]
    assert page.evaluate("() => sent.at(-1).kind") == "cancel" and page.get_by_text("Şev baş!").is_visible()


@slow
def test_a_file_that_is_too_large_is_refused_and_the_take_goes(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    record(page)
    (tmp_path / "voice.wav").write_bytes(bytes(9 * 2**20 + 1))
    page.get_by_label(ENGLISH["upload"]).set_input_files(tmp_path / "voice.wav")
    page.get_by_text("The file is larger than 9 MB").wait_for()
    state(page, "idle")
    kinds = page.evaluate("() => sent.map(({ kind }) => kind)")
    assert kinds.count("take") == 1 and "begin" in kinds[kinds.index("take") :]


@slow
@pytest.mark.parametrize(("gain", "warning"), [(4.0, "too_loud"), (0.02, "too_quiet"), (0.0, "too_quiet")])
def test_too_loud_and_too_quiet_are_said(visit: Callable[..., Any], gain: float, warning: str, tmp_path: Path) -> None:
    page = visit(sound=gain * SOUND)
    button(page, "record").click()
    state(page, "recording")
    page.get_by_text(ENGLISH[warning]).wait_for()
    shot(page, tmp_path, f"page-{warning}-{gain}")
    button(page, "stop").click()
    state(page, "kept")
    assert page.get_by_text(ENGLISH[warning]).is_visible(), "it stays until a new take"


@slow
def test_a_refused_microphone_says_what_to_do(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit(allowed=False)
    button(page, "record").click()
    alert(page, "refused")
    shot(page, tmp_path, "page-refused")
    state(page, "idle")
    page.context.grant_permissions(["microphone"])
    button(page, "record").click()
    state(page, "recording")
    assert not page.get_by_role("alert").is_visible()


@slow
def test_a_machine_without_a_microphone_says_what_to_do(launch: Callable[..., Any], site: str) -> None:
    page = open_panel(new_page(launch(None)), site)
    button(page, "record").click()
    alert(page, "no_device")


@slow
@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("'Permission denied by system', 'NotAllowedError'", "refused_system"),
        ("'Could not start audio source', 'NotReadableError'", "in_use"),
        ("'anything else', 'UnknownError'", "no_sound"),
    ],
)
def test_every_error_of_the_browser_has_its_sentence(visit: Callable[..., Any], error: str, code: str) -> None:
    page = visit(f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException({error}) }}")
    button(page, "record").click()
    alert(page, code)


@slow
def test_an_insecure_page_says_so_at_once_and_still_takes_files(browser: Any, site: str, tmp_path: Path) -> None:
    page = open_panel(new_page(browser), site.replace("127.0.0.1", "kurdtts.test"))
    assert page.get_by_role("alert").text_content() == ENGLISH["insecure"]
    assert button(page, "record").is_disabled() and page.get_by_label(ENGLISH["upload"]).is_enabled()
    shot(page, tmp_path, "page-insecure")
    page.context.close()


@slow
@pytest.mark.parametrize(
    ("script", "code"),
    [("window.acquireVsCodeApi = () => {}", "vscode"), ("delete window.AudioWorkletNode", "no_worklet")],
)
def test_a_page_that_can_never_record_says_so_at_once(visit: Callable[..., Any], script: str, code: str) -> None:
    assert visit(script).get_by_role("alert").text_content() == ENGLISH[code]
