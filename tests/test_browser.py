"""The notebooks in JupyterLab in a real browser: what a reader sees and clicks."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lab import Lab, errors, needs_browser, run_all

from kurdtts_lib.core.settings import REPOSITORY, load_profile
from kurdtts_lib.data.prepare import prepare

pytestmark = [needs_browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(launch: Callable[..., Any], lab: Lab) -> Iterator[Any]:
    """A page of a JupyterLab with copies of the notebooks, and prepared data for notebook 4."""
    for notebook in (REPOSITORY / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, lab.folder / "notebooks")
    profile = load_profile("sample")
    prepare(profile.corpus, profile.audio, lab.home / "data" / profile.prepared_dir.name)
    page = launch().new_page(viewport={"width": 1300, "height": 1500})
    yield page
    lab.close(page)


def test_stop_button_ends_a_training_and_says_that_it_can_go_on(page: Any, lab: Lab) -> None:
    run_all(lab.open(page, "04_vits_fine_tuning.ipynb"))
    page.get_by_text("training: step").wait_for()
    page.wait_for_function("() => document.querySelectorAll('figure svg').length >= 3")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function(
        "() => [...jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')"
        ".some(c => c.outputs.toJSON().some(o => o.output_type === 'error'))",
    )
    (message,) = errors(page)
    assert "The training was stopped. Run the cell above again to go on." in message
    assert list((lab.home / "runs" / "training-sample" / "checkpoints").glob("step-*.pt"))


def test_a_reader_searches_a_word_listens_and_chooses_speakers(page: Any, lab: Lab) -> None:
    lab.run(page, "02_data_exploration.ipynb")
    word = page.get_by_placeholder("then press Enter")
    word.fill("malê")
    word.press("Enter")
    page.get_by_text("7 of 214 clips").wait_for()
    found = page.get_by_role("listbox").locator("option").all_inner_texts()
    assert len(found) == 7 and "malê" in found[0]
    page.get_by_role("listbox").focus()
    kinds = "() => [...jupyterapp.shell.currentWidget.content.model.cells].map(cell => cell.type).join()"
    before = page.evaluate(kinds)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("m")
    assert page.evaluate(kinds) == before, "in Jupyter M makes a cell text"
    assert page.get_by_role("listbox").evaluate("list => list.selectedIndex") == 1, "and the arrow leaves the cell"
    page.get_by_role("button", name="Everybody").click()
    page.get_by_text("5 speakers, 7.3 usable minutes").wait_for()
    box = page.get_by_role("checkbox", name="speaker-").first
    assert box.is_checked()
    box.uncheck()
    page.get_by_text("4 speakers, 2.8 usable minutes").wait_for()
    before = page.locator("audio").count()
    page.get_by_role("button", name="Listen").first.click()
    page.wait_for_function("before => document.querySelectorAll('audio').length > before", arg=before)
    sound = "[...document.querySelectorAll('audio')].at(-1)"
    page.wait_for_function(f"() => {sound}.readyState >= 1")
    assert page.evaluate(f"() => {sound}.duration") > 1
