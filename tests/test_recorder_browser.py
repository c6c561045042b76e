"""The recorder in JupyterLab in a real browser: what a microphone gives, and what arrives in Python."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from lab import Lab, needs_browser, shot
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

from kurdtts_lib.feedback.takes import decode_take

pytestmark = needs_browser
slow = pytest.mark.slow
SOUND = played(40)
CELL = f"""
from pathlib import Path
from kurdtts_lib.widgets.recorder import Recorder
recorder = Recorder("{SENTENCE}", on_take=lambda take: Path("take.flac").write_bytes(take.content))
recorder
"""


@pytest.fixture(scope="module")
def notebook(launch: Callable[..., Any], lab: Lab) -> Iterator[Any]:
    """A notebook that shows a recorder, which writes each take beside it."""
    lab.write("take.ipynb", CELL)
    page = lab.run(pretend(new_page(launch(SOUND)), SOUND), "take.ipynb")
    page.locator(".kurdtts-recorder").wait_for()
    yield page
    lab.close(page)


def arrived(lab: Lab) -> np.ndarray:
    """The newest take as the kernel wrote it, (samples, channels), int16."""
    samples, rate = decode_take(lab.folder / "notebooks" / "take.flac")
    assert rate == RATE
    return samples


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


def test_what_the_microphone_gave_arrives_in_python_and_can_be_heard(notebook: Any, lab: Lab) -> None:
    sentence = notebook.locator(".kurdtts-sentence")
    assert (sentence.text_content(), sentence.get_attribute("lang")) == (SENTENCE, "kmr")
    record(notebook, 3)
    assert is_whole(arrived(lab)[:, 0], as_samples(SOUND))
    assert notebook.locator(".kurdtts-error").text_content() == ""
    shot(notebook.locator(".kurdtts-recorder"), "lab-kept")
    button(notebook, "play").click()
    button(notebook, "stop_playing").click()
    button(notebook, "play").wait_for()
    notebook.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    saved = (lab.folder / "notebooks" / "take.ipynb").read_text(encoding="utf-8")
    assert SENTENCE in saved and len(saved) < 10_000, "nothing of the sound is saved in the notebook"


@slow
def test_the_keyboard_records_and_jupyter_does_not_take_its_keys(notebook: Any, lab: Lab) -> None:
    (lab.folder / "notebooks" / "take.flac").unlink(missing_ok=True)
    notebook.locator(".kurdtts-recorder").focus()
    notebook.keyboard.press("r")
    state(notebook, "recording")
    said_for(notebook, 1)
    notebook.keyboard.press("Space")
    state(notebook, "kept")
    assert len(arrived(lab)) > 0
    kinds = "() => [...jupyterapp.shell.currentWidget.content.model.cells].map(cell => cell.type)"
    assert notebook.evaluate(kinds) == ["code"], "in Jupyter the key R makes a cell raw"


@slow
def test_an_uploaded_file_arrives_as_it_was_or_says_why_not(notebook: Any, lab: Lab, tmp_path: Path) -> None:
    sound, file = SOUND[: 30 * RATE], tmp_path / "voice.wav"
    soundfile.write(file, np.stack([sound] * 2, 1), RATE, subtype="PCM_24")
    assert 8 * 2**20 < file.stat().st_size < 9 * 2**20, "nearly what a notebook's socket takes in one message"
    notebook.get_by_label(ENGLISH["upload"]).set_input_files(file)
    notebook.get_by_text(ENGLISH["kept"].format(seconds="30.0")).wait_for()
    assert np.abs(arrived(lab) / 32768 - sound[:, None]).max() < 1e-4
    file.write_bytes(b"this is no sound")
    notebook.get_by_label(ENGLISH["upload"]).set_input_files(file)
    notebook.locator(".kurdtts-error").get_by_text("cannot be decoded").wait_for()
    state(notebook, "idle")


@slow
def test_python_sets_the_sentence_and_adds_a_message(notebook: Any) -> None:
    execute(notebook, "recorder.text = 'Şev baş!'; recorder.message = 'Read a little slower.'")
    notebook.get_by_text("Şev baş!", exact=True).wait_for()
    notebook.get_by_text("Read a little slower.").wait_for()
    begin(notebook)
    notebook.get_by_text("Read a little slower.").wait_for(state="hidden")
    execute(notebook, f"recorder.text = {SENTENCE!r}; assert recorder.take is None")
    alert(notebook, "text_changed")
    state(notebook, "idle")


@slow
def test_a_take_that_does_not_arrive_whole_is_refused_and_one_can_record_again(notebook: Any) -> None:
    execute(notebook, "receive = recorder._receive; recorder.on_msg(receive, remove=True)")
    begin(notebook)
    button(notebook, "stop").click()
    alert(notebook, "no_answer")
    execute(notebook, "cut = lambda _, message, buffers: receive(_, message, [bytes(b)[2:] for b in buffers])")
    execute(notebook, "recorder.on_msg(cut)")
    begin(notebook)
    button(notebook, "stop").click()
    alert(notebook, "incomplete")
    state(notebook, "idle")
    with pytest.raises(Exception, match="did not arrive whole"):
        execute(notebook, "recorder.take")
    execute(notebook, "recorder.on_msg(cut, remove=True); recorder.on_msg(receive)")
    record(notebook)


@slow
def test_the_dark_theme_is_legible(notebook: Any) -> None:
    notebook.evaluate("() => jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
    notebook.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    notebook.locator("#jupyterlab-splash").wait_for(state="hidden")
    shot(notebook.locator(".kurdtts-recorder"), "lab-dark")
    assert contrast(notebook, ".kurdtts-sentence") > 7 and contrast(notebook, ".kurdtts-keys") > 4.5
