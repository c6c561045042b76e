"""The desk and the table in JupyterLab in a real browser: hear, record, submit, and hear the recording again."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from corrections import decode_take
from lab import Lab, needs_browser, shot
from microphone import (
    ENGLISH,
    RATE,
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

from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.vits.voice import load_voice
from kurdtts_lib.voices import registry

pytestmark = needs_browser
slow = pytest.mark.slow

OFFERED = "Roj baş, heval!"
SENTENCE = "Navê min Şîlan e û ez li Diyarbekirê dijîm."
CELLS = (
    f"""
from kurdtts_lib.voices import registry
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.widgets.corrections_table import CorrectionsTable
from kurdtts_lib.widgets.feedback_desk import FeedbackDesk
store = FeedbackStore()
desk = FeedbackDesk(store, registry.current(), ["{OFFERED}"])
desk
""",
    "CorrectionsTable(store)",
)
LAST_SOUND = "[...document.querySelectorAll('audio')].filter(audio => !audio.hidden).at(-1)"


def voice() -> np.ndarray:
    """(samples,) at 48 kHz: as `played`, with the pauses between syllables that tell speech from noise."""
    sound = played(30)
    return sound * np.sin(np.pi * 4 * np.arange(len(sound)) / RATE) ** 2


@pytest.fixture(scope="module")
def page(launch: Callable[..., Any], lab: Lab) -> Iterator[Any]:
    """A notebook with a desk and a table; there is a current voice."""
    lab.write("desk.ipynb", *CELLS)
    current = load_voice(str(REPOSITORY / "models" / "tiny-kmr"))
    current.card |= {"faults": [], "parent": None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KURDTTS_HOME", str(lab.home))
        registry.publish(current, "sample", lambda card: "# test\n")
    page = pretend(new_page(launch(voice()), viewport={"width": 1100, "height": 1500}), voice())
    lab.run(page, "desk.ipynb")
    button(page, "record").wait_for()
    yield page
    lab.close(page)


@pytest.fixture
def store(lab: Lab) -> FeedbackStore:
    return FeedbackStore(lab.home / "data" / "feedback")


def button_of(page: Any, name: str) -> Any:
    """Buttons of ipywidgets; their icon is a letter of a font and belongs to what a browser calls their name."""
    return page.locator(".widget-button", has_text=re.compile(f"^{name}$"))


def press(page: Any, name: str) -> None:
    button_of(page, name).click()


def execute(page: Any, code: str) -> None:
    """Run code in the notebook's kernel, as a later cell would."""
    page.evaluate(
        """async code => {
            const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
            const { content } = await kernel.requestExecute({ code }).done;
            if (content.status !== 'ok') throw new Error(content.evalue);
        }""",
        code,
    )


def sounding(page: Any) -> float:
    """Seconds of the newest player, as soon as it knows them."""
    page.wait_for_function(f"() => {LAST_SOUND}?.readyState >= 1")
    return page.evaluate(f"() => {LAST_SOUND}.duration")


def test_a_sentence_is_heard_recorded_checked_and_handed_in(page: Any, store: FeedbackStore) -> None:
    sentence = page.get_by_placeholder("type a sentence, or pick one")
    assert sentence.input_value() == OFFERED
    sentence.fill(SENTENCE)
    sentence.press("Enter")
    page.locator(".kurdtts-sentence").get_by_text(SENTENCE).wait_for()
    press(page, "Hear the voice")
    assert 1 < sounding(page) < 10
    page.wait_for_function(f"() => {LAST_SOUND}.currentTime > 0")  # the first click plays
    page.get_by_placeholder("for example").fill("Şîlan sounds like Silan")
    record(page, 6)
    page.get_by_text("The recording sounds good").wait_for()
    button(page, "play").click()
    button(page, "stop_playing").click()
    button(page, "play").wait_for()
    submit = button_of(page, "Submit")
    assert submit.is_disabled(), "consent is missing"
    page.get_by_role("checkbox", name="I speak here myself").check()
    shot(page, "desk-checked")
    submit.click()
    page.get_by_text("Thank you, it is kept").wait_for()
    assert submit.is_disabled() and page.locator('.kurdtts-recorder[data-state="idle"]').is_visible()
    (kept,) = store.corrections()
    assert (kept.text, kept.mark, kept.consent) == (SENTENCE, "Şîlan sounds like Silan", True)
    assert kept.voice == "voice-0001-sample" and kept.checks == []
    samples, rate = decode_take(store.sound(kept))
    assert rate == RATE and is_whole(samples[:, 0], as_samples(voice()))


@slow
def test_a_recording_is_heard_whole_from_the_table(page: Any, store: FeedbackStore) -> None:
    press(page, "Refresh")
    page.get_by_text("1 correction, page 1 of 1").wait_for()
    press(page, "Play")
    page.locator("[role=status][lang=kmr]", has_text=SENTENCE).wait_for()
    (kept,) = store.corrections()
    page.wait_for_function(f"seconds => Math.abs({LAST_SOUND}.duration - seconds) < 0.2", arg=kept.seconds)
    noise = np.random.default_rng(1).integers(-9000, 9000, (59 * 48_000, 2), dtype=np.int16)
    big = store.submit((noise, 48_000), "Ez li vir im. " * 20, consent=True)
    assert store.sound(big).stat().st_size > 8_000_000, "more than a notebook's socket takes in three seconds"
    press(page, "Refresh")
    button_of(page, "Play").nth(1).click()
    page.wait_for_function(f"() => Math.abs({LAST_SOUND}.duration - 59) < 0.2")


@slow
def test_nothing_of_a_recording_or_of_the_texts_is_saved_in_the_notebook(page: Any, lab: Lab) -> None:
    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    saved = (lab.folder / "notebooks" / "desk.ipynb").read_text(encoding="utf-8")
    assert "while the notebook runs" in saved and len(saved) < 10_000
    assert "Şîlan" not in saved and not re.search("[A-Za-z0-9+/]{200}", saved)


@slow
def test_the_keyboard_records_and_jupyter_does_not_take_its_keys(page: Any) -> None:
    page.locator(".kurdtts-recorder").focus()
    page.keyboard.press("r")
    state(page, "recording")
    said_for(page, 1)
    page.keyboard.press("Space")
    state(page, "kept")
    kinds = "() => [...jupyterapp.shell.currentWidget.content.model.cells].map(cell => cell.type)"
    assert page.evaluate(kinds) == ["code", "code"], "in Jupyter the key R makes a cell raw"


@slow
def test_a_large_file_arrives_and_a_kernel_that_does_not_answer_is_told(page: Any, tmp_path: Path) -> None:
    file = tmp_path / "voice.wav"
    soundfile.write(file, np.stack([voice()] * 2, 1), RATE, subtype="PCM_24")
    assert 8 * 2**20 < file.stat().st_size < 9 * 2**20, "nearly what a notebook's socket takes in one message"
    page.get_by_label(ENGLISH["upload"]).set_input_files(file)
    page.get_by_text(ENGLISH["kept"].format(seconds="30.0")).wait_for()
    execute(page, "receive = desk.recorder._receive; desk.recorder.on_msg(receive, remove=True)")
    begin(page)
    button(page, "stop").click()
    alert(page, "no_answer")
    execute(page, "desk.recorder.on_msg(receive)")
    record(page)


@slow
@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_desk_and_table_fit_the_page_in_both_themes(page: Any, theme: str) -> None:
    page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{ theme: 'JupyterLab {theme}' }})")
    page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'")
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    shot(page, f"feedback-{theme.lower()}")
    assert contrast(page, ".kurdtts-sentence") > 7 and contrast(page, ".kurdtts-keys") > 4.5
    parts = "[...document.querySelectorAll('.jp-OutputArea-output')]"
    assert page.evaluate(f"() => {parts}.filter(e => e.scrollWidth > e.clientWidth + 1).length") == 0
