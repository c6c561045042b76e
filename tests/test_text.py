"""Spelling and token ids: what is written is what is said, or an error."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kurdtts_lib.errors import TextError
from kurdtts_lib.text import LETTERS, encode, normalize, unspeakable

# Letters, marks and accents that meet in Kurmanji texts, with the traps of Unicode case among them.
kurdish_text = st.text(
    alphabet=LETTERS + LETTERS.upper() + "İIıĞğẌẍḦḧÖöÜüÉéÈàáï ’‘`´ʼ′'.,?!;:…“”«»()[]–—/-\n\t", max_size=25
)
accented_text = st.text(alphabet="aeiosuıIİğGñé'\u0301\u0302\u0307\u0327\u0323", max_size=6)
"""Letters under loose accents, which Unicode joins or leaves apart."""
any_text = st.text(max_size=25) | accented_text | st.text(alphabet=st.characters(), max_size=10) | kurdish_text


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Rojbaş", "rojbaş"),
        (unicodedata.normalize("NFD", "Ê Î Û Ş Ç ê î û ş ç"), "ê î û ş ç ê î û ş ç"),
        ("Diyarbakır, Iğdır", "diyarbakir igdir"),
        ("İSTANBUL", "istanbul"),
        ("I\u0307STANBUL", "istanbul"),
        ("IRAQ", "iraq"),
        ("min’re ‘wan’ li`ser ev´e maʼna ev′", "min're 'wan' li'ser ev'e ma'na ev'"),
        ("roj–baş", "roj baş"),
        ("roj—baş", "roj baş"),
        ("roj-baş", "roj-baş"),
        ("ẍezal ḧeft Ẍ Ḧ", "xezal heft x h"),
        ("café Müller naïve Öcal à la é", "cafe muller naive ocal a la e"),
        ("Çi, bû? Na! Erê; baş: «xweş» “rind” (wek) … [1/a].", "çi bû na erê baş xweş rind wek 1 a"),
        ("  du \t gav\nû\u00a0sê\u2003", "du gav û sê"),
        ("", ""),
        (" … ", ""),
    ],
)
def test_spelling_is_made_uniform(written, spoken):
    assert normalize(written).text == spoken


@pytest.mark.parametrize("left", ["2024", "%", "€", "аб", "سلاو", "☺", "ŵ", "ñ"])
def test_what_has_no_rule_stays_and_is_refused_by_name(tokenizer, left):
    assert left in normalize(f"ev {left} e").text
    with pytest.raises(TextError) as caught:
        encode(f"ev {left} e", tokenizer)
    assert all(repr(character) in str(caught.value) for character in left)
    assert unspeakable(f"ev {left} e", tokenizer.get_vocab()) == list(dict.fromkeys(left))


@given(any_text | accented_text)
@example("ı\u0302")  # ı + circumflex: after ı -> i the two make one letter, î
def test_normalizing_twice_changes_nothing_more(text):
    once = normalize(text).text
    assert normalize(once).text == once


@given(any_text)
def test_composed_and_decomposed_forms_are_the_same_text(text):
    assert normalize(unicodedata.normalize("NFD", text)).text == normalize(text).text
    assert normalize(unicodedata.normalize("NFC", text)).text == normalize(text).text


@given(kurdish_text)
def test_a_text_of_kurdish_and_neighbouring_letters_is_always_speakable(text):
    assert set(normalize(text).text) <= set(LETTERS + " -'")


@given(any_text)
def test_the_changes_tell_the_whole_way_from_the_text_to_its_spoken_form(text):
    result = normalize(text)
    steps = [text, *(change.after for change in result.changes)]
    assert [change.before for change in result.changes] == steps[:-1]
    assert steps[-1] == result.text
    assert all(change.before != change.after for change in result.changes)


@pytest.mark.parametrize("sentence", ["rojbaş", "navê min azad e", "jin û jiyan", "binnivîse", "n", "nan"])
def test_ids_are_mms_interspersing(tokenizer, sentence):
    """The published code: a 0 before, between and after all letters. In Kurmanji's vocabulary 0 is also n."""
    vocabulary = {"n": 0, **{letter: i for i, letter in enumerate(sorted(set(LETTERS) - {"n"}), 1)}, " ": 31}
    expected = [0]
    for letter in sentence:
        expected += [vocabulary[letter], 0]
    assert encode(sentence, tokenizer) == expected


def test_the_plain_tokenizer_loses_blanks_beside_an_n_and_ours_does_not(tokenizer):
    assert tokenizer("rojbaş").input_ids == encode("rojbaş", tokenizer)
    for sentence in ("navê min azad e", "jin û jiyan", "binnivîse"):
        assert len(tokenizer(sentence).input_ids) < len(encode(sentence, tokenizer)) == 2 * len(sentence) + 1


@given(any_text)
def test_any_string_gives_ids_or_a_text_error(tokenizer, text):
    try:
        ids = encode(text, tokenizer)
    except TextError as error:
        assert repr(text) in str(error)
    else:
        assert len(ids) >= 3 and len(ids) % 2 == 1
        assert not any(ids[::2])
        assert all(0 <= token < len(tokenizer) for token in ids)


@given(kurdish_text)
def test_ids_say_the_normalized_letters(tokenizer, text):
    spoken = normalize(text).text
    if not spoken:
        with pytest.raises(TextError, match="nothing to say"):
            encode(text, tokenizer)
    else:
        assert "".join(tokenizer.convert_ids_to_tokens(encode(text, tokenizer)[1::2])) == spoken


@pytest.mark.parametrize("text", ["", "   ", "…", "?!.", "\n"])
def test_nothing_to_say_is_an_error(tokenizer, text):
    with pytest.raises(TextError, match="nothing to say"):
        encode(text, tokenizer)


def test_an_error_names_each_unknown_character_once(tokenizer):
    with pytest.raises(TextError, match=r"cannot say '1', '2', '€' in 'ev 121 €'"):
        encode("ev 121 €", tokenizer)
