"""The listening test in a real browser: as a folder from the disk, and as a widget in JupyterLab."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import PATIENCE_MS, Lab, needs_browser, run_all, shot
from listening import sharp, small_test

from kurdtts_lib.core.files import read_json
from kurdtts_lib.evaluation.listening.design import AnswerKey
from kurdtts_lib.evaluation.listening.results import results
from kurdtts_lib.evaluation.listening.store import ListeningStore, import_answers
from kurdtts_lib.widgets.listening_page import LABELS, write_folder

pytestmark = needs_browser

# A listener who is in a hurry: sounds at sixteen times their pace; they still have to come to their end.
HURRY = """const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () { this.playbackRate = 16; return play.call(this); };"""
WORTH = {"voice-a": 5.0, "voice-b": 2.0}
ENGLISH, KURMANJI = LABELS["en"], LABELS["kmr"]
NOTEBOOK = """
from listening import small_test
from kurdtts_lib.evaluation.listening.store import ListeningStore, import_answers
from kurdtts_lib.widgets.listening_test import ListeningWidget
test = small_test("cmos", sentences=2)
ListeningWidget(test, ListeningStore())
"""


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any]) -> Any:
    return launch()


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 900, "height": 700}, offline="lab" not in request.fixturenames)
    context.add_init_script(HURRY)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()


def start(page: Any, code: str, labels: dict[str, str] = ENGLISH) -> None:
    page.get_by_label(labels["code"]).fill(code)
    page.get_by_role("button", name=labels["start"], exact=True).click()


def hear(page: Any, sounds: int = 1) -> None:
    """Play every sound of the place to its end, by the key Space."""
    for number in range(sounds):
        page.keyboard.press("Space")
        page.locator(f'.kurdtts-play[data-plays="1"] >> nth={number}').wait_for()


def answer(page: Any, key: AnswerKey, code: str, first: int, last: int) -> None:
    """Answer places `first` to `last`, counted from 1, by who speaks."""
    scale = {"mos": 1, "cmos": -3}[key.kind]
    for number in range(first, last + 1):
        place = key.plan(code)[number - 1]
        page.get_by_text(f"{number} of {len(key.plan(code))}", exact=True).wait_for()
        hear(page, len(place.sounds))
        page.keyboard.press(str(sharp(WORTH)(key.kind, place) - scale + 1))
        page.keyboard.press("Enter")


def test_a_listener_answers_from_the_disk_goes_on_after_a_reload_and_sends_a_file_back(
    page: Any, tmp_path: Path
) -> None:
    test, folder = small_test("mos"), tmp_path / "bo guhdaran ş"
    write_folder(test, folder)
    key, code = test.key, next(iter(test.key.plans))
    page.goto((folder / "index.html").as_uri())
    start(page, "nope")
    page.get_by_text(ENGLISH["unknown_code"]).wait_for()
    start(page, f" {code.lower()} ")
    answer(page, key, code, 1, 4)
    page.get_by_text("5 of 10", exact=True).wait_for()
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    assert page.get_by_role("status").inner_text() == ENGLISH["listen_first"], "an answer before the sound is refused"

    page.reload()
    start(page, code)
    page.get_by_text("5 of 10", exact=True).wait_for()
    hear(page)
    page.get_by_role("button", name=f"{ENGLISH['sound_mos_0']} ({ENGLISH['heard']})").click()
    page.locator('.kurdtts-play[data-plays="2"]').wait_for()
    page.get_by_role("button", name=ENGLISH["mos_3"]).click()
    shot(page, "listening-mos")
    page.get_by_role("button", name=ENGLISH["next"], exact=True).click()
    answer(page, key, code, 6, 10)
    with page.expect_download() as download:
        page.get_by_role("link", name=ENGLISH["download"]).click()
    assert download.value.suggested_filename == f"answers-{code}.json"
    file = tmp_path / "answers.json"
    download.value.save_as(file)

    store = ListeningStore(tmp_path / "store")
    store.keep(key)
    assert import_answers(store, file).startswith(f"{code}: 10 of 10 answers, 10 of them new")
    kept = {each.trial.item: each for each in store.answers(key.test)}
    fifth = key.plan(code)[4]
    assert (kept[fifth.item].answer, kept[fifth.item].plays) == (3, 2)
    for place in [*key.plan(code)[:4], *key.plan(code)[5:]]:
        assert (kept[place.item].answer, kept[place.item].plays) == (sharp(WORTH)("mos", place), 1)
    table = results(store).everybody.table
    assert table["MOS"]["voice-a"] > table["MOS"]["voice-b"] + 1


@pytest.mark.slow
def test_the_page_speaks_kurmanji_and_an_answer_waits_for_both_sounds(page: Any, tmp_path: Path) -> None:
    test = small_test("cmos", sentences=1)
    write_folder(test, tmp_path / "test")
    page.goto((tmp_path / "test" / "index.html").as_uri())
    page.get_by_role("button", name="Kurdî").click()
    assert page.locator(".kurdtts-listening").get_attribute("lang") == "kmr"
    start(page, next(iter(test.key.plans)), KURMANJI)
    page.get_by_role("heading", name=KURMANJI["cmos"]).wait_for()
    hear(page, 1)
    choice = page.locator('.kurdtts-answer[data-value="-2"]')
    page.keyboard.press("2")
    assert (choice.get_attribute("aria-disabled"), choice.get_attribute("aria-pressed")) == ("true", "false")
    page.get_by_role("button", name=KURMANJI["sound_cmos_1"]).click()
    page.locator('.kurdtts-play[data-plays="1"] >> nth=1').wait_for()
    page.keyboard.press("2")
    shot(page, "listening-kurmanji")
    assert (choice.get_attribute("aria-disabled"), choice.get_attribute("aria-pressed")) == ("false", "true")


@pytest.mark.slow
def test_where_the_browser_keeps_nothing_it_is_said_and_the_file_is_whole(page: Any, tmp_path: Path) -> None:
    test = small_test("cmos", sentences=1)
    key, code = test.key, next(iter(test.key.plans))
    write_folder(test, tmp_path / "test")
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full') }")
    page.goto((tmp_path / "test" / "index.html").as_uri())
    start(page, code)
    answer(page, key, code, 1, 3)
    page.get_by_role("alert").get_by_text(ENGLISH["storage"]).wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name=ENGLISH["download"]).click()
    sent = read_json(Path(download.value.path()))
    assert [each["item"] for each in sent["answers"]] == [place.item for place in key.plan(code)]


@pytest.mark.slow
def test_the_widget_asks_in_jupyterlab_keeps_every_answer_and_leaves_nothing_in_the_notebook(
    page: Any, lab: Lab
) -> None:
    file = lab.write("test.ipynb", NOTEBOOK)
    store = ListeningStore(lab.home / "data" / "listening")
    lab.run(page, "test.ipynb")
    page.locator(".kurdtts-listening").wait_for()
    key = store.key()
    code = list(key.plans)[1]
    start(page, code)
    answer(page, key, code, 1, 2)
    page.get_by_text("3 of 4", exact=True).wait_for()
    assert len(store.answers(key.test)) == 2, "an answer is kept before the next sound"
    run_all(page)  # a new widget, as after a restart
    page.locator('[data-state="start"]').wait_for()
    start(page, code)
    answer(page, key, code, 3, 4)
    page.get_by_text(ENGLISH["done"]).wait_for()
    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
    lab.close(page)
    kept = {each.trial.item: each.answer for each in store.answers(key.test)}
    assert kept == {place.item: sharp(WORTH)("cmos", place) for place in key.plan(code)}
    assert results(store).everybody.table.loc["voice-a over voice-b", "CMOS"] == 3.0
    saved = file.read_text(encoding="utf-8")
    assert "UklGR" not in saved and len(saved) < 200_000, "the beginning of a WAV file, in base64"
    assert not [name for name in (*key.systems, *kept) if name in saved]
    assert read_json(file)["cells"][0]["outputs"]
