"""The user's corrections: kept, used at once, and never able to break a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import encode, normalize
from kurdtts_lib.text.lexicon import _refuse_chains, lexicon_path, remove_correction, save_correction, user_lexicon


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KURDTTS_HOME", str(tmp_path))


def test_a_correction_is_used_at_once(tokenizer):
    before = encode("WhatsApp baş e", tokenizer)
    save_correction("WhatsApp", "Watsap")
    assert normalize("whatsapp baş e").text == "watsap baş e"
    assert normalize("WhatsApp baş e").changes[0].rule == "your lexicon"
    assert encode("WhatsApp baş e", tokenizer) == encode("watsap baş e", tokenizer) != before


def test_a_correction_is_a_whole_word_and_also_one_inside_a_spelled_number():
    save_correction("yazdeh", "yanzdeh")
    save_correction("5G", "pênc ge")
    assert normalize("11 û yazdehan").text == "yanzdeh û yazdehan"
    assert normalize("Tora 5G").text == "tora pênc ge"
    save_correction("Dr.", "diktor")
    assert normalize("Dr. Azad").text == "diktor azad"


def test_a_correction_can_be_changed_and_removed_and_one_of_another_is_refused():
    save_correction("TRT", "te re te")
    save_correction("TRT", "ti ri ti")
    assert dict(user_lexicon()) == {"trt": "ti ri ti"}
    remove_correction("trt")
    assert dict(user_lexicon()) == {}
    with pytest.raises(TextError, match="no correction for 'TRT'"):
        remove_correction("TRT")
    save_correction("dr", "doktor")
    with pytest.raises(TextError, match="final form"):
        save_correction("doktor", "toxtor")
    assert dict(user_lexicon()) == {"dr": "doktor"}


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
        (b"a\tb\tc", "line 2: expected"),
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


written = st.sampled_from(["çar", "deh", "sed", "azad", "km", "û", "trt", "a b"])
spoken = st.sampled_from(["çar", "deh", "sed", "azad", "û", "a b"])


@given(
    st.dictionaries(written, spoken, max_size=4), st.sampled_from(["14 azad TRT", "çar deh", "4 km û 100", "a b û 10"])
)
def test_with_any_lexicon_normalizing_twice_changes_nothing_more(rows, text):
    try:
        _refuse_chains(rows)
    except TextError:
        return
    once = normalize(text, lexicon=rows).text
    assert normalize(once, lexicon=rows).text == once
