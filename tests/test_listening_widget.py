"""The kernel's side of the listening test: the page asks, nothing is kept in the notebook, nothing is told."""

from pathlib import Path
from typing import Any

import ipywidgets
import pytest
from listening import NOW, small_test
from widget_states import forget_widgets, live_states

from kurdtts_lib.core.errors import KurdTTSError, ListeningError
from kurdtts_lib.evaluation.listening.design import ListeningTest
from kurdtts_lib.evaluation.listening.store import ListeningStore
from kurdtts_lib.widgets.listening_page import LABELS, STATIC, write_folder
from kurdtts_lib.widgets.listening_test import ListeningWidget


@pytest.fixture(scope="module")
def test() -> ListeningTest:
    return small_test("cmos")


@pytest.fixture
def store(tmp_path: Path) -> ListeningStore:
    return ListeningStore(tmp_path / "store")


class Page:
    """What a page sends and gets."""

    def __init__(self, widget: ListeningWidget, monkeypatch: pytest.MonkeyPatch) -> None:
        self.widget, self.sent = widget, []
        monkeypatch.setattr(widget, "send", lambda content, buffers: self.sent.append((content, buffers)))

    def ask(self, kind: str, **fields: Any) -> tuple[dict[str, Any], list[bytes]]:
        self.widget._handle_custom_msg({"kind": kind, "request": "7", **fields}, [])
        content, buffers = self.sent.pop()
        assert content.pop("request") == "7" and not self.sent
        return content, buffers


def test_the_page_gets_places_sounds_and_keeps_answers(
    test: ListeningTest, store: ListeningStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(ListeningWidget(test, store), monkeypatch)
    code, places = next(iter(test.key.plans.items()))
    opened, _ = page.ask("open", code=code)
    assert opened == {"result": {**test.key.public(code), "answered": []}}
    assert page.ask("sound", sound=places[0].sounds[1]) == ({}, [test.sounds[places[0].sounds[1]]])
    given = {"item": places[0].item, "answer": -2, "plays": 3, "time": NOW}
    assert page.ask("answer", code=code, given=given) == ({"result": 1}, [])
    (kept,) = store.answers(test.key.test)
    assert (kept.trial.item, kept.answer, kept.plays) == (places[0].item, -2, 3)
    again = Page(ListeningWidget(test, store), monkeypatch)
    assert again.ask("open", code=code)[0]["result"]["answered"] == [places[0].item]


def test_what_the_page_may_not_is_answered_with_a_sentence(
    test: ListeningTest, store: ListeningStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(ListeningWidget(test, store), monkeypatch)
    code, places = next(iter(test.key.plans.items()))
    assert page.ask("open", code="AAAA") == ({"result": None}, [])
    given = {"item": places[0].item, "answer": 9, "plays": 2, "time": NOW}
    assert "from -3 to 3, not 9" in page.ask("answer", code=code, given=given)[0]["error"]
    with pytest.raises(ListeningError, match="no code 'AAAA'"):
        ListeningWidget(test, store, "AAAA")
    with pytest.raises(ValueError, match="en, kmr"):
        ListeningWidget(test, store, language="tr")


def test_neither_sounds_nor_names_are_in_what_a_notebook_saves(test: ListeningTest, store: ListeningStore) -> None:
    forget_widgets()
    widget = ListeningWidget(test, store, next(iter(test.key.plans)))
    states = [text for live, text in live_states() if live is widget]
    data, _ = widget._repr_mimebundle_()
    told = [*states, str(data)]
    assert len(states) == 1 and isinstance(widget, ipywidgets.DOMWidget)
    assert not [name for name in (*test.key.systems, *test.sounds) for text in told if name in text]
    assert "UklGR" not in states[0]  # the beginning of a WAV file, in base64


def test_the_folder_is_whole_and_takes_no_place_of_other_files(test: ListeningTest, tmp_path: Path) -> None:
    folder = tmp_path / "test"
    write_folder(test, folder)
    write_folder(test, folder, "kmr")  # an earlier test may be replaced
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert '<html lang="kmr">' in page and "http" not in page and 'type="module"' not in page
    assert {path.stem for path in (folder / "audio").iterdir()} == set(test.sounds)
    told = "".join(path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file())
    assert all(code in told for code in test.key.plans), "it tells no system and no sentence"
    assert not [one for one in (*test.key.systems, *test.key.sentences, "anchor", "spoilt") if one in told]
    assert all(sound[:4] == b"RIFF" and sound[34] == 16 for sound in test.sounds.values()), "sixteen bits"
    assert (folder / "listening.js").read_bytes() == (STATIC / "listening.js").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(KurdTTSError, match="holds other files"):
        write_folder(test, other)
    assert [path.name for path in other.iterdir()] == ["mine.txt"]


def test_the_page_offers_the_answers_that_the_store_takes_and_has_a_word_for_each() -> None:
    used = (STATIC / "listening.js").read_text(encoding="utf-8")
    for kind, scale in {"mos": range(1, 6), "cmos": range(-3, 4)}.items():
        assert all(f"{kind}_{value}" in LABELS["en"] for value in scale)
        assert f"{kind}: {list(scale)}".replace("'", "") in used
