"""The recorder in JupyterLab in a real browser: what a microphone gives, and what arrives in Python.

Skipped, with the reason said, where Chromium or Playwright is missing. Screenshots stay in pytest's temporary folder;
`KURDTTS_SHOTS` names a folder for copies.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import soundfile
from lab import CHROMIUM, PATIENCE_MS, cells_done, errors, open_notebook_page, run_all, running_lab
from microphone import (
    ENGLISH,
    RATE,
    SENTENCE,
    alert,
    as_samples,
    button,
    is_whole,
    launch,
    new_page,
    played,
    playwright,
    pretend,
    record,
    said_for,
    shot,
    state,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
slow = pytest.mark.slow
__all__ = ["launch"]  # the fixture
SOUND = played(70)
CELLS = """
import json
import numpy as np
from kurdtts_lib.feedback.takes import decode_take
from kurdtts_lib.widgets.recorder import Recorder
def keep(take):
    samples, rate = decode_take(take.content)
    np.save("take.npy", samples[:, 0])
    open("take.json", "w", encoding="utf-8").write(json.dumps({"rate": rate, "channels": samples.shape[1]}))
recorder = Recorder("SENTENCE", on_take=keep)
recorder
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook that shows a recorder, which writes each take beside it."""
    folder = tmp_path_factory.mktemp("recorder")
    (folder / "notebooks").mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # without it Lab asks which one
    cell = nbformat.v4.new_code_cell(CELLS.replace("SENTENCE", SENTENCE).strip())
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), folder / "notebooks" / "take.ipynb")
    return folder


@pytest.fixture(scope="module")
def notebook(launch: Callable[..., Any], workspace: Path) -> Iterator[Any]:
    with running_lab(workspace) as address:
        page = pretend(new_page(launch(SOUND)), SOUND)
        open_notebook_page(page, address, "take.ipynb")
        run_all(page)
        cells_done(page)
        assert errors(page) == []
        page.locator(".kurdtts-recorder").wait_for()
        yield page
        page.context.close()


def begin(page: Any) -> None:
    button(page, "record").or_(button(page, "again")).click()
    state(page, "recording")


def arrived(workspace: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The take as the kernel wrote it."""
    folder = workspace / "notebooks"
    return np.load(folder / "take.npy"), json.loads((folder / "take.json").read_text(encoding="utf-8"))


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


def test_what_the_microphone_gave_arrives_in_python(notebook: Any, workspace: Path, tmp_path: Path) -> None:
    sentence = notebook.locator(".kurdtts-sentence")
    assert (sentence.text_content(), sentence.get_attribute("lang")) == (SENTENCE, "kmr")
    begin(notebook)
    said_for(notebook, 2)
    shot(notebook, tmp_path, "lab-recording")
    button(notebook, "stop").click()
    state(notebook, "kept")
    take, facts = arrived(workspace)
    assert facts == {"rate": RATE, "channels": 1}
    assert is_whole(take, as_samples(SOUND))
    assert notebook.locator(".kurdtts-error").text_content() == ""
    shot(notebook, tmp_path, "lab-kept")
    notebook.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    saved = (workspace / "notebooks" / "take.ipynb").read_text(encoding="utf-8")
    assert SENTENCE in saved and len(saved) < 10_000, "nothing of the sound is saved in the notebook"


@slow
def test_the_longest_take_arrives_whole(notebook: Any, workspace: Path) -> None:
    begin(notebook)
    state(notebook, "kept")
    assert "The recording stopped there" in notebook.locator(".kurdtts-error").text_content()
    take, _ = arrived(workspace)
    assert len(take) == 60 * RATE and is_whole(take, as_samples(SOUND))


@slow
def test_the_take_can_be_heard_in_the_page(notebook: Any) -> None:
    record(notebook, 3)
    button(notebook, "play").click()
    button(notebook, "stop_playing").wait_for()
    button(notebook, "stop_playing").click()
    button(notebook, "play").wait_for()
    assert "kept" in notebook.locator(".kurdtts-status").text_content()


@slow
def test_the_keyboard_records_and_jupyter_does_not_take_its_keys(notebook: Any, workspace: Path) -> None:
    (workspace / "notebooks" / "take.json").unlink(missing_ok=True)
    notebook.locator(".kurdtts-recorder").focus()
    notebook.keyboard.press("r")
    state(notebook, "recording")
    said_for(notebook, 1)
    notebook.keyboard.press("Space")
    state(notebook, "kept")
    assert len(arrived(workspace)[0]) > 0
    kinds = "() => [...jupyterapp.shell.currentWidget.content.model.cells].map(cell => cell.type)"
    assert notebook.evaluate(kinds) == ["code"], "in Jupyter the key R makes a cell raw"


@slow
def test_an_uploaded_file_arrives_as_it_was(notebook: Any, workspace: Path, tmp_path: Path) -> None:
    sound = SOUND[: 30 * RATE]
    soundfile.write(tmp_path / "voice.wav", np.stack([sound] * 2, 1), RATE, subtype="PCM_24")
    size = (tmp_path / "voice.wav").stat().st_size
    assert 8 * 2**20 < size < 9 * 2**20, "nearly what a notebook's socket takes in one message"
    notebook.get_by_label(ENGLISH["upload"]).set_input_files(tmp_path / "voice.wav")
    notebook.get_by_text(ENGLISH["kept"].format(seconds="30.0")).wait_for(timeout=PATIENCE_MS)
    take, facts = arrived(workspace)
    assert facts == {"rate": RATE, "channels": 2}
    assert np.abs(take / 32768 - sound).max() < 1e-4


@slow
def test_python_sets_the_sentence_and_adds_a_message(notebook: Any, tmp_path: Path) -> None:
    execute(notebook, "recorder.text = 'Şev baş!'; recorder.message = 'Read a little slower.'")
    notebook.get_by_text("Şev baş!", exact=True).wait_for()
    notebook.get_by_text("Read a little slower.").wait_for()
    shot(notebook, tmp_path, "lab-message")
    button(notebook, "record").click()
    state(notebook, "recording")
    notebook.get_by_text("Read a little slower.").wait_for(state="hidden")
    execute(notebook, f"recorder.text = {SENTENCE!r}; assert recorder.take is None")
    notebook.get_by_role("alert").get_by_text(ENGLISH["text_changed"]).wait_for()
    state(notebook, "idle")


@slow
def test_a_take_that_arrives_in_part_is_refused_on_the_page_and_in_python(notebook: Any, tmp_path: Path) -> None:
    execute(notebook, "receive = recorder._receive; recorder.on_msg(receive, remove=True)")
    execute(notebook, "cut = lambda _, message, buffers: receive(_, message, [bytes(b)[2:] for b in buffers])")
    execute(notebook, "recorder.on_msg(cut)")
    begin(notebook)
    button(notebook, "stop").click()
    alert(notebook, "incomplete")
    state(notebook, "idle")
    shot(notebook, tmp_path, "lab-incomplete")
    with pytest.raises(playwright.Error, match="did not arrive whole"):
        execute(notebook, "recorder.take")
    execute(notebook, "recorder.on_msg(cut, remove=True); recorder.on_msg(receive)")


@slow
def test_a_kernel_that_does_not_answer_is_reported_and_one_can_record_again(notebook: Any) -> None:
    execute(notebook, "receive = recorder._receive; recorder.on_msg(receive, remove=True)")
    begin(notebook)
    button(notebook, "stop").click()
    alert(notebook, "no_answer")
    execute(notebook, "recorder.on_msg(receive)")
    record(notebook)
