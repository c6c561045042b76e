"""The desk: nothing is kept without a good take and consent, nothing is kept twice, nothing is lost."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from corrections import OTHER, RATE, TEXT, samples, store, take
from test_recorder import Message, Page, messages, upload
from widget_states import assert_holds_no_sound, forget_widgets

from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.voices import registry
from kurdtts_lib.widgets.corrections_table import CorrectionsTable
from kurdtts_lib.widgets.feedback_desk import FeedbackDesk

__all__ = ["store"]  # the fixture


@pytest.fixture
def desk(store: FeedbackStore, current: registry.RegisteredVoice) -> Iterator[FeedbackDesk]:
    forget_widgets()
    desk = FeedbackDesk(store, current, [TEXT, OTHER])
    yield desk
    for part in (*desk.widget.children, desk.widget):
        part.close()


@pytest.fixture
def page(desk: FeedbackDesk, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(desk.recorder, monkeypatch)


@pytest.fixture
def record(desk: FeedbackDesk, page: Page) -> Callable[[np.ndarray], None]:
    """Let the page of the desk's recorder send a take."""
    return lambda sound: page.send(messages(sound, round_=desk.recorder._round))


def test_what_was_said_is_kept_with_what_was_written_once_and_with_consent(
    desk: FeedbackDesk, store: FeedbackStore, record
) -> None:
    sound = take(1)[0]
    desk.mark.value, desk.contributor.value, desk.consent.value = " ê sounds like i ", " Şîlan ", True
    assert desk.submit_button.disabled and "Record the sentence" in desk.missing.value
    record(sound)
    assert not desk.submit_button.disabled and "sounds good" in desk.findings.value and desk.missing.value == ""
    desk.consent.value = False
    assert desk.submit_button.disabled and "consent" in desk.missing.value
    desk.consent.value = True
    store.folder.write_bytes(b"in the way")
    desk.submit_button.click()
    assert 'role="alert"' in desk.message.value and not desk.submit_button.disabled, "it can be handed in later"
    store.folder.unlink()
    assert desk.sentence.description == "Sentence 1 of 2"
    table = CorrectionsTable(store, desk)
    desk.submit_button.click()
    assert (desk.sentence.value, desk.sentence.description) == (OTHER, "Sentence 2 of 2"), "the next by itself"
    assert table.count.value.startswith("1 correction,")
    (kept,) = store.corrections()
    assert (kept.text, kept.state, kept.mark, kept.contributor) == (TEXT, "submitted", "ê sounds like i", "Şîlan")
    assert kept.consent and kept.voice == desk.entry.folder.name == "voice-0001-test"
    assert samples(store, kept) == sound.tolist()
    assert "Thank you" in desk.message.value and kept.spoken in desk.message.value
    assert desk.submit_button.disabled
    desk.submit_button.click()  # came before the browser knew that the button is disabled
    assert store.corrections() == [kept]


def test_a_take_that_cannot_be_used_says_why_and_a_better_one_can(desk: FeedbackDesk, record) -> None:
    desk.consent.value = True
    record(np.zeros(2 * RATE, np.int16))
    assert "There is no voice" in desk.findings.value and desk.submit_button.disabled
    desk.sentence.value = "Roj baş " * 20
    record(take(1)[0])
    assert "letters and spaces" in desk.findings.value and desk.submit_button.disabled
    desk.sentence.value = TEXT
    assert desk.findings.value == ""
    record(take(1)[0])
    assert "sounds good" in desk.findings.value and not desk.submit_button.disabled


def test_a_new_sentence_drops_the_take_of_the_old_one(desk: FeedbackDesk, store: FeedbackStore, record) -> None:
    desk.consent.value = True
    record(take(1)[0])
    desk.message.value = desk.mark.value = "old"
    desk.sentence.value = OTHER
    assert desk.recorder._sentence == OTHER and desk.submit_button.disabled
    assert desk.message.value == desk.mark.value == desk.findings.value == desk.speech.value == ""
    record(take(2)[0])
    desk.submit_button.click()
    assert [one.text for one in store.corrections()] == [OTHER]


FAILED = {
    "a file that is no sound": upload(b"no sound"),
    "a take that is not whole": [messages(take(2)[0])[0], (messages(take(2)[0])[1][0], [])],
    "another recording began": messages(take(2)[0])[:1],
}


@pytest.mark.parametrize("sent", FAILED.values(), ids=FAILED)
def test_after_a_take_that_fails_nothing_of_the_one_before_is_left(
    desk: FeedbackDesk, store: FeedbackStore, page: Page, record, sent: list[Message]
) -> None:
    desk.consent.value = True
    record(take(1)[0] // 32)
    assert 'role="alert"' in desk.findings.value and "too quiet" in desk.findings.value
    assert not desk.submit_button.disabled, "a warning does not forbid"
    page.send(sent)
    assert desk.findings.value == "" and desk.submit_button.disabled
    desk.submit_button.click()  # came before the browser knew that the button is disabled
    assert store.corrections() == [] and "Record the sentence first" in desk.message.value


def test_the_voice_is_heard_or_says_why_not(desk: FeedbackDesk) -> None:
    desk.hear_button.click()
    assert "<audio autoplay" in desk.speech.value and "voice 1" in desk.speech.value
    desk.sentence.value = "روژ"
    assert 'role="alert"' in desk.speech.value, "before anybody records it"
    desk.hear_button.click()
    assert "<audio" not in desk.speech.value and 'role="alert"' in desk.speech.value


def test_a_saved_notebook_has_a_line_in_place_of_the_desk_and_nothing_of_a_recording(
    desk: FeedbackDesk, record
) -> None:
    sound = take(1)[0]
    desk.hear_button.click()
    record(sound)
    assert_holds_no_sound(sound, desk.speech)
    desk.consent.value = True
    desk.submit_button.click()
    assert_holds_no_sound(sound, desk.speech)
    shown, _ = desk._repr_mimebundle_()
    view = shown["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == desk.widget.model_id
    assert "while the notebook runs" in shown["text/html"]
