"""The listening test in a real browser, as a folder from the disk."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import PATIENCE_MS, needs_browser, shot
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


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any]) -> Any:
    return launch()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 900, "height": 700}, offline=True)
    context.add_init_script(HURRY)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()


def start(page: Any, code: str, labels: dict[str, str] = ENGLISH) -> None:
    page.get_by_label(labels["code"]).fill(code)
    page.get_by_role("button", name=labels["start"], exact=True).click()


def hear(page: Any) -> None:
    """Play the sound to its end, by the key Space."""
    page.keyboard.press("Space")
    page.locator('.kurdtts-play[data-plays="1"]').wait_for()


def answer(page: Any, key: AnswerKey, code: str, first: int, last: int) -> None:
    """Answer places `first` to `last`, counted from 1, by who speaks."""
    for number in range(first, last + 1):
        place = key.plan(code)[number - 1]
        page.get_by_text(f"{number} of {len(key.plan(code))}", exact=True).wait_for()
        hear(page)
        page.keyboard.press(str(sharp(WORTH)(place)))
        page.keyboard.press("Enter")


def test_a_listener_answers_from_the_disk_goes_on_after_a_reload_and_sends_a_file_back(
    page: Any, tmp_path: Path
) -> None:
    test, folder = small_test(), tmp_path / "bo guhdaran ş"
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
    page.get_by_role("button", name=f"{ENGLISH['play']} ({ENGLISH['heard']})").click()
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
    kept = {each["item"]: (each["answer"], each["plays"]) for each in read_json(file)["answers"]}
    expected = {trial.item: (sharp(WORTH)(trial), 1) for trial in key.plan(code)}
    assert kept == expected | {key.plan(code)[4].item: (3, 2)}
    table = results(store).everybody.table
    assert table["MOS"]["voice-a"] > table["MOS"]["voice-b"] + 1


@pytest.mark.slow
def test_the_page_speaks_kurmanji_and_an_answer_waits_for_the_sound(page: Any, tmp_path: Path) -> None:
    test = small_test(sentences=1)
    write_folder(test, tmp_path / "test")
    page.goto((tmp_path / "test" / "index.html").as_uri())
    page.get_by_role("button", name="Kurdî").click()
    assert page.locator(".kurdtts-listening").get_attribute("lang") == "kmr"
    page.reload()
    start(page, next(iter(test.key.plans)), KURMANJI)
    page.get_by_role("button", name="English").click()
    page.get_by_role("heading", name=ENGLISH["mos"]).wait_for()
    page.get_by_role("button", name="Kurdî").click()
    page.get_by_role("heading", name=KURMANJI["mos"]).wait_for()
    choice = page.locator('.kurdtts-answer[data-value="2"]')
    page.keyboard.press("2")
    assert (choice.get_attribute("aria-disabled"), choice.get_attribute("aria-pressed")) == ("true", "false")
    page.get_by_role("button", name=KURMANJI["play"]).click()
    page.locator('.kurdtts-play[data-plays="1"]').wait_for()
    page.keyboard.press("2")
    shot(page, "listening-kurmanji")
    assert (choice.get_attribute("aria-disabled"), choice.get_attribute("aria-pressed")) == ("false", "true")


@pytest.mark.slow
def test_where_the_browser_keeps_nothing_it_is_said_and_the_file_is_whole(page: Any, tmp_path: Path) -> None:
    test = small_test(sentences=1)
    key, code = test.key, next(iter(test.key.plans))
    write_folder(test, tmp_path / "test")
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full') }")
    page.goto((tmp_path / "test" / "index.html").as_uri())
    start(page, code)
    answer(page, key, code, 1, len(key.plan(code)))
    page.get_by_role("alert").get_by_text(ENGLISH["storage"]).wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name=ENGLISH["download"]).click()
    sent = read_json(Path(download.value.path()))
    assert [each["item"] for each in sent["answers"]] == [place.item for place in key.plan(code)]
