"""The page for contributors in a real browser: what is said there arrives in the store."""

import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import soundfile
from corrections import RATE, take
from lab import PATIENCE_MS, needs_browser, shot
from microphone import ENGLISH, LABELS, SENTENCE, as_samples, is_whole, new_page, played, pretend, record, state
from serving import TOKEN, Served, serving
from speechlike import encoded

from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service.collect import OWN
from kurdtts_lib.service.state import ServiceSettings
from kurdtts_lib.voices import registry

pytestmark = needs_browser

Visit = Callable[..., Any]
READ = (SENTENCE, "Şev baş, hevalên min. Em ê sibê dîsa werin.")
WORDS = json.loads((OWN / "words.json").read_text(encoding="utf-8"))
EN, KMR = WORDS["en"]["page"], WORDS["kmr"]["page"]
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
SOUND = played(20)


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any]) -> Any:
    return launch(SOUND)


@pytest.fixture(scope="module")
def deaf(launch: Callable[..., Any]) -> Any:
    """A machine without a microphone."""
    return launch()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(ServiceSettings(sentences=READ)) as service:
        yield service


@pytest.fixture
def visit() -> Iterator[Callable[..., Any]]:
    """Open a page with a pretended microphone. At the end its policy forbade nothing, and no program failed."""
    pages = []

    def visit_(browser: Any, address: str, language: str = "en", **options: Any) -> Any:
        options = options or {"viewport": {"width": 1280, "height": 900}}
        page = pretend(new_page(browser, **options), SOUND)
        if language == "en":  # Kurmanji is what a new reader finds
            page.add_init_script("""localStorage["kurdtts-collect"] ??= '{"language": "en"}'""")
        page.set_default_timeout(PATIENCE_MS)
        page.troubles = []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("console", lambda line: "Security Policy" in line.text and page.troubles.append(line.text))
        page.goto(address)
        page.locator("#page").wait_for()
        pages.append(page)
        return page

    yield visit_
    for page in pages:
        assert page.troubles == []
        page.context.close()


def upload(page: Any) -> None:
    """Choose a sound file in place of speaking: quicker, and the same from there on."""
    file = {"name": "a.wav", "mimeType": "audio/wav", "buffer": encoded(take(1)[0], RATE, "WAV")}
    page.locator("input[type=file]").set_input_files(file)
    state(page, "kept")


def send(page: Any) -> None:
    page.locator("#send").click(force=True)  # also where it says by itself that something is missing


def refuse(page: Any, **answer: Any) -> None:
    """Answer the next takes in place of the service."""
    page.route("**/feedback", lambda route: route.fulfill(**answer))


def thanked(page: Any) -> None:
    page.locator("#thanks").get_by_text("Thank you").wait_for()


def problem(page: Any, text: str) -> None:
    page.locator("#problem").get_by_text(text).wait_for()


def test_a_sentence_is_heard_recorded_checked_and_kept_with_consent_only(
    browser: Any, served: Served, current: registry.RegisteredVoice, visit: Visit
) -> None:
    page = visit(browser, f"{served.address}/collect")
    sentence = page.locator(".kurdtts-sentence")
    shown = sentence.text_content()
    assert shown in READ and sentence.get_attribute("lang") == "kmr"
    assert page.evaluate("() => document.documentElement.lang") == "en" and page.title() == EN["title"]
    page.get_by_role("button", name=EN["hear"]).click()
    page.wait_for_function("() => document.getElementById('voice').currentTime > 0")
    send(page)
    problem(page, EN["no_take"])

    record(page, 6)
    assert page.evaluate("() => document.getElementById('voice').paused"), "or the microphone hears it"
    page.locator("#findings p").first.wait_for()
    send(page)
    problem(page, EN["no_consent"])
    assert FeedbackStore().corrections() == []
    page.get_by_label(EN["contributor"]).fill(" Şîlan ")
    page.get_by_label(EN["consent"]).check()
    shot(page, "collect-desktop")
    # A double click, quicker than any answer
    page.evaluate("() => { for (let i = 0; i < 3; i++) document.getElementById('send').click() }")
    thanked(page)
    assert page.evaluate("() => document.activeElement.matches('.kurdtts-recorder')"), "ready for the next sentence"
    store = FeedbackStore()
    (kept,) = store.corrections()
    (code,) = re.findall("[A-Z2-9]{8}", page.locator("#mine-code").text_content())
    assert (kept.text, kept.contributor, kept.consent, kept.state) == (shown, f"Şîlan ({code})", True, "submitted")
    assert kept.voice == current.folder.name and kept.state == "submitted"
    sound, _ = soundfile.read(store.sound(kept), dtype="int16")
    assert is_whole(sound, as_samples(SOUND))
    (other,) = {*READ} - {shown}
    assert sentence.text_content() == other and page.locator("#findings").text_content() == ""
    send(page)
    problem(page, EN["no_take"])
    page.reload()
    page.get_by_role("button", name="Kurmancî").click()
    assert (
        page.get_by_label(KMR["contributor"]).input_value() == "Şîlan"
        and page.get_by_label(KMR["consent"]).is_checked()
    )
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=KMR["delete_mine"]).click()
    page.locator("#thanks", has_text=KMR["deleted"]).wait_for()
    assert [one.state for one in store.corrections()] == ["withdrawn"] and page.locator("#mine").is_hidden()


@pytest.mark.slow
def test_a_service_that_is_lost_in_the_middle_gets_the_take_when_it_is_back(browser: Any, visit: Visit) -> None:
    settings = ServiceSettings(sentences=READ)
    with serving(settings) as served:
        page = visit(browser, f"{served.address}/collect")
        record(page, 3)
        page.locator("#findings p").first.wait_for()
        page.get_by_label(EN["consent"]).check()
    send(page)
    problem(page, WORDS["en"]["problems"]["network"])
    page.get_by_role("button", name=ENGLISH["play"]).wait_for()
    shown = page.locator(".kurdtts-sentence").text_content()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name=EN["skip"]).click()
    assert page.locator(".kurdtts-sentence").text_content() == shown, "it asks before a take is thrown away"
    with serving(settings, served.port):
        send(page)
        thanked(page)
        (kept,) = FeedbackStore().corrections()
        assert kept.text == shown and kept.seconds > 2.5


REFUSALS = [
    (413, "too_large", "large", {}, WORDS["en"]["problems"]["too_large"]),
    (422, "unusable_take", "There is no voice.", {}, "There is no voice."),
    (429, "", "a proxy's page", {"Retry-After": "7"}, "Wait 7 s"),
    (403, "wrong_origin", "no", {}, "--allow-origin"),
    (502, "", "<html>", {}, "HTTP 502"),
]


@pytest.mark.slow
def test_every_refusal_is_a_sentence_and_the_take_stays_until_it_is_kept(
    deaf: Any, served: Served, visit: Visit
) -> None:
    page = visit(deaf, f"{served.address}/collect")
    page.locator(".kurdtts-record").click()
    page.get_by_role("alert").get_by_text(ENGLISH["no_device"]).wait_for()
    page.get_by_role("button", name="Kurmancî").click()
    page.get_by_role("alert").get_by_text(LABELS["kmr"]["no_device"]).wait_for()
    page.get_by_role("button", name="English").click()
    page.locator("#own").click()
    for own in ("Binêre www.kurdi.org", "  Navê min   Şîlan e. "):
        page.get_by_label(EN["own_label"]).fill(own)
        page.get_by_role("button", name=EN["own_use"]).click()
        if "www" in own:
            problem(page, "address")
    page.locator(".kurdtts-sentence").get_by_text("Navê min Şîlan e.", exact=True).wait_for()
    upload(page)
    page.get_by_label(EN["consent"]).check()
    for status, code, message, headers, said in REFUSALS:
        body = json.dumps({"error": {"code": code, "message": message}}) if code else message
        refuse(page, status=status, body=body, headers=headers)
        send(page)
        problem(page, said)
        assert page.get_by_role("button", name=EN["send"]).get_attribute("aria-disabled") == "false"
    # The answer is lost on the way back: the service has the take, and the page does not know
    page.route("**/feedback", lambda route: (route.fetch(), route.abort()))
    send(page)
    problem(page, WORDS["en"]["problems"]["network"])
    page.unroute_all()
    store = FeedbackStore()
    (kept,) = store.corrections()
    send(page)
    page.locator("#thanks").get_by_text("Recordings from you on this page: 1").wait_for()
    assert store.corrections() == [kept] and kept.text == "Navê min Şîlan e."


@pytest.mark.slow
def test_what_the_checks_find_is_said_and_an_unusable_take_is_not_sent(deaf: Any, served: Served, visit: Visit) -> None:
    page = visit(deaf, f"{served.address}/collect", "kmr")
    assert page.evaluate("() => document.documentElement.lang") == "kmr"
    page.get_by_label(KMR["consent"]).check()
    page.locator("#own").click()
    page.locator("#own-text").fill("Roj baş " * 20)
    page.locator("#own-form button").click()
    upload(page)
    page.locator("#findings [lang=kmr]", has_text=WORDS["kmr"]["findings"]["text_longer"]).wait_for()
    send(page)
    problem(page, KMR["unusable"])
    page.get_by_role("button", name="English").click()
    page.locator("#findings").get_by_text("letters and spaces").wait_for()
    problem(page, EN["unusable"])
    page.get_by_text(ENGLISH["kept"].format(seconds="2.0")).wait_for()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=EN["skip"]).click()
    bad = {"name": "a.webm", "mimeType": "audio/webm", "buffer": b"\x1a\x45\xdf\xa3 webm"}
    page.locator("input[type=file]").set_input_files(bad)
    page.get_by_role("alert").get_by_text(WORDS["en"]["problems"]["undecodable_audio"]).wait_for()
    page.get_by_role("button", name=EN["hear"]).click(force=True)
    page.get_by_text(EN["no_voice"]).wait_for()
    upload(page)
    assert FeedbackStore().corrections() == []
    send(page)
    thanked(page)
    assert len(FeedbackStore().corrections()) == 1


@pytest.mark.slow
def test_a_phone_opens_the_link_with_its_token_and_reads_in_kurmanji(
    browser: Any, current: registry.RegisteredVoice, visit: Visit
) -> None:
    with serving(ServiceSettings(sentences=READ, token=TOKEN)) as served:
        page = visit(browser, f"{served.address}/collect#token={urllib.parse.quote(TOKEN)}", "kmr", **PHONE)
        assert page.locator(".kurdtts-sentence").text_content() in READ
        assert page.locator("#token-form").is_hidden() and page.title() == KMR["title"]
        record(page, 3)
        page.locator("#findings p").first.wait_for()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
        small = """() => [...document.querySelectorAll('button, input:not([type=file]), textarea, .kurdtts-upload')]
            .filter((one) => one.checkVisibility() && one.type !== 'checkbox')
            .filter((one) => one.getBoundingClientRect().height < 40).map((one) => one.outerHTML)"""
        assert page.evaluate(small) == [], "too small for a thumb"
        page.get_by_label(KMR["consent"]).check()
        shot(page, "collect-phone")
        page.evaluate("() => scrollTo(0, 0)")
        assert page.locator("#send").bounding_box()["y"] < 740, "in reach without scrolling"
        send(page)
        page.locator("#thanks").get_by_text("Spas").wait_for()
        assert page.evaluate("() => scrollY") < 300, "the next sentence is seen"
        (kept,) = FeedbackStore().corrections()
        assert kept.state == "submitted" and kept.consent


@pytest.mark.slow
def test_without_the_token_it_is_asked_for_once_and_travels_in_no_address(deaf: Any, visit: Visit) -> None:
    with serving(ServiceSettings(sentences=READ, token=TOKEN)) as served:
        page = visit(deaf, f"http://kurdtts.test:{served.port}/collect")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        problem(page, WORDS["en"]["problems"]["unauthorized"])
        assert page.locator(".kurdtts-sentence").is_hidden()
        for token in ("wrong", TOKEN):
            page.get_by_label(EN["token"]).fill(token)
            with page.expect_response("**/collect/sentences"):
                page.get_by_role("button", name=EN["token_use"]).click()
            page.locator("#token-form" if token == "wrong" else ".kurdtts-sentence").wait_for()
        assert page.locator("#token-form").is_hidden()
        assert page.locator(".kurdtts-sentence").text_content() in READ
        # This address is neither this machine's nor https: no microphone, and the page says what to do
        insecure = WORDS["en"]["recorder"]["insecure"]
        assert page.locator(".kurdtts-error").text_content() == insecure
        assert page.locator(".kurdtts-record").is_disabled()
        upload(page)
        page.get_by_label(EN["consent"]).check()
        send(page)
        thanked(page)
        assert len(FeedbackStore().corrections()) == 1
        assert asked and not any("token" in url.partition("#")[0] for url in asked)
        page.reload()
        page.locator(".kurdtts-sentence").wait_for()
        assert page.locator("#token-form").is_hidden(), "asked for once"
