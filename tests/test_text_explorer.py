"""The text explorer shows what is said and why, and a correction made in it changes what is said."""

import html
import re
import unicodedata
from pathlib import Path

import pytest

from kurdtts_lib.text import normalize
from kurdtts_lib.text.lexicon import own_corrections, save_correction
from kurdtts_lib.widgets.text_explorer import TextExplorer, explanation_html


def marked(markup: str) -> list[tuple[str, str]]:
    """(rule, text) of each marked part, the written sentence's first."""
    found = re.findall(r'<mark title="([^"]*)"[^>]*>(.*?)<sup[^>]*>\d+</sup></mark>', markup)
    return [(html.unescape(rule), html.unescape(part)) for rule, part in found]


def sentences(markup: str) -> list[str]:
    """The written and the spoken sentence as a reader sees them, without the numbers of the marks."""
    rows = re.findall(r'scope="row">(?:Written|Spoken)</th><td[^>]*>(.*?)</td>', markup)
    return [html.unescape(re.sub(r"<sup[^>]*>\d+</sup>|<[^>]+>", "", row)) for row in rows]


def correct(explorer: TextExplorer, written: str, spoken: str) -> None:
    explorer.written.value, explorer.spoken.value = written, spoken
    explorer.save_button.click()


def test_a_number_is_marked_in_both_sentences_and_listed_with_its_rule() -> None:
    explorer = TextExplorer("Di 2024an de.")
    markup = explorer.view.value
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/html"] == markup, "a saved notebook keeps it"
    assert "application/vnd.jupyter.widget-view+json" in bundle
    ((rule, written), (same_rule, spoken)) = marked(markup)
    assert rule == same_rule and "number" in rule
    assert (written, spoken) == ("2024an", "du hezar û bîst û çaran")
    assert f"2024an → du hezar û bîst û çaran</span> ({rule})" in markup
    assert markup.count("border-bottom:2px solid") == 2, "a line, not the colour alone"


SHOWN = ("Di 2024an de 5 sêv û 3 pirtûk.", "e\u0302  û  “tu” & ez", "12", "«Ez»", "ÇEK I\u0307ê", "a☺b")
MARKUP = ("<script>alert(1)</script> roj", "<b>roj</b> & 5 şev", 'roj "<img src=x>')


@pytest.mark.parametrize("text", [*SHOWN, *MARKUP])
def test_the_sentences_shown_are_the_written_and_the_spoken_one_and_markup_in_them_is_never_obeyed(text: str) -> None:
    markup = explanation_html(text)
    assert not re.search(r"<(script|b>roj|img)", markup)
    if text in SHOWN or 'role="alert"' not in markup:
        assert sentences(markup) == [unicodedata.normalize("NFC", text), normalize(text).text]


@pytest.mark.parametrize(
    ("text", "written", "spoken"),
    [
        ("Rojbaş,  heval!", [], []),
        ("5 sêv û 3 pirtûk", ["5", "3"], ["pênc", "sê"]),
        ("Li Diyarbakır, ez", ["ı"], ["i"]),
        ("Iğdır û Denge\u0302", ["Iğ", "ı"], ["ig", "i"]),
        ("Ez 30salî me", ["30"], ["sî "]),
    ],
)
def test_what_changes_is_marked(text: str, written: list[str], spoken: list[str]) -> None:
    parts = [part for _, part in marked(explanation_html(text))]
    assert parts == written + spoken


def test_what_cannot_be_read_shows_the_reason_in_place_of_the_sentences() -> None:
    explorer = TextExplorer("Navê min ئازاد e.")
    assert 'role="alert"' in explorer.view.value and "<mark" not in explorer.view.value
    assert sentences(explorer.view.value) == []
    explorer.sentence.value = "Navê min Azad e."
    assert 'role="alert"' not in explorer.view.value
    assert sentences(explorer.view.value)[1] == "navê min azad e"
    explorer.sentence.value = "  "
    assert "Write at least one word" in explorer.view.value


def test_a_saved_correction_changes_the_spoken_form_until_it_is_removed(home: Path) -> None:
    save_correction("FM", "ef em")  # on an earlier day
    explorer = TextExplorer("Xoybûn FM")
    before = sentences(explorer.view.value)[1]
    assert before.endswith("ef em")
    correct(explorer, "Xoybûn<img src=x>", "xoy <script> bûn")
    correct(explorer, "Xoybûn", "xoy bûn")
    assert sentences(explorer.view.value)[1] == "xoy bûn ef em" != before
    assert ("your lexicon", "Xoybûn") in marked(explorer.view.value)
    assert (explorer.written.value, explorer.spoken.value) == ("", "")
    assert 'role="status"' in explorer.message.value and (home / "data" / "lexicon.tsv").is_file()
    rows = {row.children[0].value: row.children[1] for row in explorer.corrections.children}
    assert not re.search("<(img|script)", "".join([explorer.message.value, explorer.view.value, *rows]))
    (own,) = [words for words in rows if "xoy bûn" in words]
    assert 'lang="kmr"' in own
    rows[own].click()
    assert len(explorer.corrections.children) == len(rows) - 1 == len(own_corrections())
    assert sentences(explorer.view.value)[1] == before


@pytest.mark.parametrize(("written", "spoken"), [("", "roj"), ("roj", ""), ("<b>", "ئا")])
def test_a_bad_correction_is_refused_with_its_reason_and_nothing_is_saved(written: str, spoken: str) -> None:
    explorer = TextExplorer("Roj baş")
    shown = explorer.view.value
    correct(explorer, written, spoken)
    assert 'role="alert"' in explorer.message.value and "<b>" not in explorer.message.value
    assert dict(own_corrections()) == {} and explorer.corrections.children == ()
    assert explorer.view.value == shown
    assert (explorer.written.value, explorer.spoken.value) == (written, spoken), "so that it can be mended"
    correct(explorer, "roj", "rojek")
    assert 'role="alert"' not in explorer.message.value


def test_a_lexicon_damaged_by_hand_is_named_and_the_explorer_still_opens(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    (home / "data" / "lexicon.tsv").write_text("no tabulator here\n", encoding="utf-8")
    explorer = TextExplorer("Roj baş")
    assert "lexicon.tsv, line 1" in html.unescape(explorer.message.value)
    correct(explorer, "FM", "ef em")
    assert (home / "data" / "lexicon.tsv").read_text(encoding="utf-8") == "no tabulator here\n", "nothing is lost"
