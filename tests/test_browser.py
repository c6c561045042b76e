"""The notebooks in JupyterLab in a real browser: what a reader sees and clicks.

Skipped, with the reason said, where Chromium or Playwright is missing. Screenshots stay in pytest's temporary folder.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import CHROMIUM, FLAGS, PATIENCE_MS, cells_done, errors, open_notebook_page, run_all, running_lab

from kurdtts_lib.core.settings import REPOSITORY, load_profile
from kurdtts_lib.data.prepare import prepare

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of the notebooks, and a home with prepared data for notebook 4."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(REPOSITORY / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    profile = load_profile("sample")
    prepare(profile.corpus, profile.audio, folder / "home" / "data" / profile.prepared_dir.name)
    return folder


@pytest.fixture(scope="module")
def lab(workspace: Path) -> Iterator[str]:
    with running_lab(workspace) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_notebook(lab: str, browser: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Open a notebook by name and wait for its kernel; a screenshot is taken when the test ends."""
    pages = []

    def open_(name: str) -> Any:
        page = browser.new_page(viewport={"width": 1300, "height": 1500})
        page.set_default_timeout(PATIENCE_MS)
        pages.append(page)
        open_notebook_page(page, lab, name)
        return page

    yield open_
    for page in pages:
        page.screenshot(path=tmp_path / f"{request.node.name}.png")
        page.close()


@pytest.mark.slow
def test_first_notebook_shows_its_checks_and_a_player_that_can_play(open_notebook: Any) -> None:
    page = open_notebook("01_backend_check.ipynb")
    run_all(page)
    cells_done(page)
    assert errors(page) == []
    assert page.get_by_text("Decoding MP3: a round trip").is_visible()
    page.wait_for_function("() => document.querySelector('audio')?.readyState >= 1", timeout=PATIENCE_MS)
    assert page.evaluate("() => document.querySelector('audio').duration") == pytest.approx(1.0, abs=0.1)


def test_stop_button_ends_a_training_and_says_that_it_can_go_on(open_notebook: Any, workspace: Path) -> None:
    page = open_notebook("04_vits_fine_tuning.ipynb")
    run_all(page)
    page.get_by_text("training: step").wait_for(timeout=PATIENCE_MS)
    page.wait_for_function("() => document.querySelectorAll('figure svg').length >= 3", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function(
        "() => [...jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')"
        ".some(c => c.outputs.toJSON().some(o => o.output_type === 'error'))",
        timeout=PATIENCE_MS,
    )
    (message,) = errors(page)
    assert "The training was stopped. Run the cell above again to go on." in message
    assert list((workspace / "home" / "runs" / "training-sample" / "checkpoints").glob("step-*.pt"))


@pytest.mark.slow
def test_a_reader_searches_a_word_listens_and_chooses_speakers(open_notebook: Any) -> None:
    page = open_notebook("02_data_exploration.ipynb")
    run_all(page)
    cells_done(page)
    assert errors(page) == []
    word = page.get_by_placeholder("then press Enter")
    word.fill("malê")
    word.press("Enter")
    page.get_by_text("7 of 214 clips").wait_for(timeout=PATIENCE_MS)
    found = page.get_by_role("listbox").locator("option").all_inner_texts()
    assert len(found) == 7 and "malê" in found[0]
    page.get_by_role("button", name="Everybody").click()
    page.get_by_text("5 speakers, 7.3 usable minutes").wait_for(timeout=PATIENCE_MS)
    box = page.get_by_role("checkbox", name="speaker-").first
    assert box.is_checked()
    box.uncheck()
    page.get_by_text("4 speakers, 2.8 usable minutes").wait_for(timeout=PATIENCE_MS)
    before = page.locator("audio").count()
    page.get_by_role("button", name="Listen").first.click()
    page.wait_for_function("before => document.querySelectorAll('audio').length > before", arg=before)
    sound = "[...document.querySelectorAll('audio')].at(-1)"
    page.wait_for_function(f"() => {sound}.readyState >= 1", timeout=PATIENCE_MS)
    assert page.evaluate(f"() => {sound}.duration") > 1
