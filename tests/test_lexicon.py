"""The user's corrections: kept, used at once, and never able to break a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import encode, normalize
from kurdtts_lib.text.lexicon import (
    SHARED,
    _refuse_chains,
    lexicon_path,
    own_corrections,
    remove_correction,
    save_correction,
)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KURDTTS_HOME", str(tmp_path))


def test_a_correction_is_used_at_once(tokenizer):
    before = encode("WhatsNew baş e", tokenizer)
    save_correction("WhatsNew", "Watsniyû")
    assert normalize("whatsnew baş e").text == "watsniyû baş e"
    assert normalize("WhatsNew baş e").changes[0].rule == "your lexicon"
    assert encode("WhatsNew baş e", tokenizer) == encode("watsniyû baş e", tokenizer) != before


def test_a_correction_is_a_whole_word_and_also_one_inside_a_spelled_number():
    save_correction("yazdeh", "yanzdeh")
    save_correction("5G", "pênc ge")
    assert normalize("11 û yazdehan").text == "yanzdeh û yanzdehan"
    assert normalize("Tora 5G").text == "tora pênc ge"
    save_correction("Dr.", "diktor")
    assert normalize("Dr. Azad").text == "diktor azad"


def test_a_correction_can_be_changed_and_removed_and_one_of_another_is_refused():
    save_correction("TRT", "te re te")
    save_correction("TRT", "ti ri ti")
    assert dict(own_corrections()) == {"TRT": "ti ri ti"}
    remove_correction("TRT")
    assert dict(own_corrections()) == {}
    with pytest.raises(TextError, match="no correction for 'TRT'"):
        remove_correction("TRT")
    save_correction("dr", "doktor")
    with pytest.raises(TextError, match="final form"):
        save_correction("doktor", "toxtor")
    assert dict(own_corrections()) == {"dr": "doktor"}


def test_a_word_is_known_with_its_endings_and_in_capitals_it_is_another():
    save_correction("Google", "gûgil")
    save_correction("New York", "nû york")
    save_correction("YE", "ye e")
    assert normalize("Googleê Google'a GOOGLE googleyek").text == "gûgilê gûgila gûgil gûgilek"
    assert normalize("li New Yorkê, ye YE YE'yê").text == "li nû yorkê ye ye e ye eyê"
    assert normalize("Newyork Googleplex").text == "newyork googleplex"


def test_the_shared_list_is_read_a_speakers_own_word_wins_and_no_two_rows_disagree():
    rows = [line.split("\t") for line in SHARED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert len(rows) >= 500 and all(len(row) == 3 and row[2] for row in rows)
    assert len({row[0] if row[0].isupper() else row[0].lower() for row in rows}) == len(rows)
    for written, spoken, _ in rows:
        change = normalize(written).changes[0]
        assert (change.before, change.after.strip(), change.rule) == (written, spoken, "list of words")
        assert normalize(spoken).text == spoken
    save_correction("facebook", "rûpel")
    assert normalize("Facebookê").text == "rûpelê"


@pytest.mark.parametrize(
    ("written", "spoken", "message"),
    [
        ("", "a", "no word"),
        ("…", "a", "no word"),
        ("-a", "a", "no word"),
        ("trt", "", "nothing to say"),
        ("trt", "س", "Kurmanji letters"),
        ("fm", "fm", "no vowel"),
        ("trt", "t.r.t.", "without numbers and marks"),
        ("trt", "a -b", "without numbers and marks"),
    ],
)
def test_a_bad_correction_is_refused_and_nothing_is_written(written, spoken, message):
    with pytest.raises(TextError, match=message):
        save_correction(written, spoken)
    assert not lexicon_path().exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"only one column", "line 2: expected"),
        (b"a\tbe\tc\td", "line 2: expected"),
        (b"a\t ", "line 2: expected"),
        ("\u0633\tb\u0633".encode(), "more than words"),
        (b"\xff\xfe\t\xff", "not UTF-8"),
    ],
)
def test_a_faulty_file_is_an_error_that_shows_the_line(content, message):
    lexicon_path().parent.mkdir(parents=True)
    lexicon_path().write_bytes(b"# words\n" + content + b"\n")
    with pytest.raises(TextError, match=message):
        normalize("baş")


written = st.sampled_from(["çar", "deh", "sed", "azad", "km", "û", "TRT", "a be"])
spoken = st.sampled_from(["çar", "deh", "sed", "azad", "û", "a be"])


@given(
    st.dictionaries(written, spoken, max_size=4), st.sampled_from(["14 azad TRT", "çar deh", "4 km û 100", "a be û 10"])
)
def test_with_any_lexicon_normalizing_twice_changes_nothing_more(rows, text):
    try:
        _refuse_chains(rows)
    except TextError:
        return
    once = normalize(text, lexicon=rows).text
    assert normalize(once, lexicon=rows).text == once
