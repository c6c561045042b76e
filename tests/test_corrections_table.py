"""The table: every change is kept in the store, every refusal is told, and a withdrawal needs two clicks."""

import re
from collections.abc import Iterator

import ipywidgets
import pytest
from corrections import OTHER, TEXT, files, store, submit, take, used
from widget_states import assert_holds_no_sound, forget_widgets

from kurdtts_lib.feedback.database import NAME
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.widgets.corrections_table import PAGE, CorrectionsTable

__all__ = ["store"]  # the fixture


CHANGED = "Roj baş heval, ez li wir im"


@pytest.fixture
def table(store: FeedbackStore) -> Iterator[CorrectionsTable]:
    forget_widgets()
    for number in range(2):
        submit(store, number, contributor="Şîlan <b>", mark="ê")
    table = CorrectionsTable(store)
    yield table
    forget_widgets()


@pytest.fixture
def played(table: CorrectionsTable, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """What the table's player was given: (label, sound)."""
    sent: list[tuple[str, bytes]] = []
    give = lambda content, buffers: sent.append((content["label"], b"".join(buffers)))  # noqa: E731
    monkeypatch.setattr(table.player, "send", give)
    return sent


def buttons(table: CorrectionsTable, row: int) -> dict[str, ipywidgets.Button]:
    parts = table.rows.children[row].children
    return {part.description: part for part in parts if isinstance(part, ipywidgets.Button)}


def button(table: CorrectionsTable, row: int, name: str) -> ipywidgets.Button:
    return buttons(table, row)[name]


def text_of(table: CorrectionsTable, row: int) -> ipywidgets.Text:
    return table.rows.children[row].children[0]


def states(store: FeedbackStore) -> list[str]:
    return [one.state for one in store.corrections()]


def test_every_correction_has_a_row_with_its_text_and_facts(table: CorrectionsTable) -> None:
    assert [text_of(table, row).value for row in range(2)] == [TEXT, TEXT]
    facts = table.rows.children[0].children[-1].value
    assert "<b>submitted</b> <small>Şîlan &lt;b&gt; · 2.0 s · ê" in facts
    assert list(buttons(table, 0)) == ["Play", "Save text", "Accept", "Withdraw"]
    shown, _ = table._repr_mimebundle_()
    assert shown["application/vnd.jupyter.widget-view+json"]["model_id"] == table.widget.model_id
    assert shown["text/html"] == f"<p>{table.count.value}</p>" == "<p>2 corrections, page 1 of 1</p>"
    assert not re.search("Roj|Şîlan", str(shown)), "nothing of it is saved"
    old = table.rows.children[0]
    table.refresh.click()
    assert all(part.comm is None for part in (old, *old.children)), "rows that are gone leave no widgets behind"


def test_play_sends_the_kept_bytes_and_a_missing_sound_says_so(
    table: CorrectionsTable, store: FeedbackStore, played: list[tuple[str, bytes]]
) -> None:
    text_of(table, 0).value = "not saved yet"
    button(table, 1, "Play").click()
    assert played == [(TEXT, store.sound(store.corrections()[1]).read_bytes())]
    assert text_of(table, 0).value == "not saved yet"
    assert_holds_no_sound(take(1)[0])
    store.sound(store.corrections()[0]).unlink()
    button(table, 0, "Play").click()
    assert len(played) == 1 and "is missing; run `kurdtts feedback verify`" in table.message.value


def test_accept_keeps_what_stands_in_the_field_and_lets_a_voice_learn_from_it(
    table: CorrectionsTable, store: FeedbackStore
) -> None:
    text_of(table, 0).value = f" {CHANGED} "
    button(table, 0, "Accept").click()
    assert states(store) == ["accepted", "submitted"]
    kept = store.corrections()[0]
    assert kept.text == CHANGED == text_of(table, 1).value and kept.spoken in table.message.value
    assert list(buttons(table, 1)) == ["Play", "Save text", "Withdraw"] and "Accepted" in table.message.value
    text_of(table, 0).value = " Roj baş heval, ez 25 salî me "
    button(table, 0, "Save text").click()
    kept = store.corrections()[1]
    assert kept.text == "Roj baş heval, ez 25 salî me" == text_of(table, 0).value and kept.state == "submitted"
    assert kept.spoken == "roj baş heval, ez bîst û pênc salî me" and kept.spoken in table.message.value


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [("Accept", "روژ", "ر"), ("Save text", "Roj baş " * 20, "letters and spaces")],
)
def test_a_text_that_cannot_be_is_refused_and_stays_in_its_field(
    table: CorrectionsTable, store: FeedbackStore, name: str, text: str, said: str
) -> None:
    text_of(table, 0).value = text
    button(table, 0, name).click()
    assert 'role="alert"' in table.message.value and said in table.message.value
    assert store.corrections()[0].text == TEXT and states(store)[0] == "submitted"
    assert text_of(table, 0).value == text


def test_texts_that_are_being_changed_stay_whatever_is_pressed(table: CorrectionsTable, store: FeedbackStore) -> None:
    for number in range(2, PAGE + 1):
        submit(store, number, OTHER)
    table.refresh.click()
    assert len(table.rows.children) == PAGE and table.back.disabled and not table.forward.disabled
    text_of(table, 0).value = CHANGED
    pressed = [table.refresh, button(table, 1, "Save text"), button(table, 1, "Accept"), button(table, 1, "Withdraw")]
    for each in [*pressed, table.forward]:
        each.click()
    assert len(table.rows.children) == 1 and table.forward.disabled and not table.back.disabled
    assert table.count.value == f"{PAGE + 1} corrections, page 2 of 2"
    assert "accepted" in table.rows.children[0].children[-1].value, "those that wait come first"
    table.back.click()
    assert text_of(table, 0).value == CHANGED and store.corrections()[0].text == TEXT
    button(table, 0, "Accept").click()
    assert store.corrections()[0].text == CHANGED, "it is accepted as its field shows it"
    button(table, 0, "Withdraw").click()
    button(table, 0, "Really withdraw?").click()
    assert len(table.rows.children) == PAGE and table.back.disabled and table.forward.disabled


def test_a_withdrawal_needs_two_clicks_and_names_the_voices(
    store: FeedbackStore, table: CorrectionsTable, played: list[tuple[str, bytes]]
) -> None:
    button(table, 0, "Withdraw").click()
    button(table, 1, "Accept").click()
    assert list(buttons(table, 0))[-1] == "Withdraw", "anything done between the two clicks takes the first back"
    button(table, 0, "Withdraw").click()
    button(table, 1, "Withdraw").click()
    assert [list(buttons(table, row))[-1] for row in range(2)] == ["Withdraw", "Really withdraw?"]
    assert states(store) == ["submitted", "accepted"]
    used(store, 7, "voice-0002-sample")
    table.refresh.click()
    button(table, 2, "Withdraw").click()
    assert states(store)[2] == "used" and "Click once more" in table.message.value
    button(table, 2, "Really withdraw?").click()
    assert states(store)[2] == "withdrawn" and len(files(store)) == 2
    assert "voice-0002-sample" in table.message.value
    assert played == [("", b"")], "it is no longer to be heard either"
    assert len(table.rows.children) == 2 and table.count.value.endswith("; 1 withdrawn")


def test_a_damaged_store_is_told_by_refresh(table: CorrectionsTable, store: FeedbackStore) -> None:
    for file in store.folder.glob(f"{NAME}*"):
        file.unlink()
    (store.folder / NAME).write_bytes(b"this is no database" * 100)
    table.refresh.click()
    assert "is damaged" in table.message.value and len(table.rows.children) == 2
