"""Spelling and token ids: what is written is what is said, or an error."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text import LETTERS, coverage, encode, normalize, split
from kurdtts_lib.text.numbers import LARGEST, spell
from kurdtts_lib.text.rules import roman_number

SPEAKABLE = set(LETTERS + " -'")

# Letters, marks and accents that meet in Kurmanji texts, with the traps of Unicode case among them.
kurdish_text = st.text(
    alphabet=LETTERS + LETTERS.upper() + "İIıĞğẌẍḦḧÖöÜüÉéÈàáï ’‘`´ʼ′'.,?!;:…“”«»()[]–—/-\n\t", max_size=25
)
accented_text = st.text(alphabet="aeiosuıIİğGñé'\u0301\u0302\u0307\u0327\u0323", max_size=6)
"""Letters under loose accents, which Unicode joins or leaves apart."""
numeric_text = st.text(alphabet="0123456789.,:/-–+%€ kmê'anTRBX½²", max_size=18)
"""Everything that the rules of numbers look for, in any order."""
cyrillic_text = st.text(alphabet="әкӧрдьмГг'’ ы", max_size=10)
any_text = (st.text(max_size=25) | accented_text | st.text(alphabet=st.characters(), max_size=10) | kurdish_text) | (
    numeric_text | cyrillic_text
)


def spoken_or_none(text: str) -> str | None:
    try:
        return normalize(text, lexicon={}).text
    except TextError:
        return None


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        (unicodedata.normalize("NFD", "Ê Î Û Ş Ç ê î û ş ç"), "ê î û ş ç ê î û ş ç"),
        ("I\u0307STANBUL", "istanbul"),
        ("min’re ‘wan’ li`ser ev´e maʼna ev′", "min're 'wan' li'ser ev'e ma'na ev'"),
        ("ẍezal ḧeft Ẍ Ḧ", "xezal heft x h"),
        ("Çi, bû? Na! Erê; baş: «xweş» “rind” (wek) … [a/a].", "çi bû na erê baş xweş rind wek a a"),
        ("  du \t gav\nû\u00a0sê\u2003", "du gav û sê"),
        ("3 1/2 TL, 1/2 €", "sê û nîv lîre nîv ewro"),
        ("roj\u00adbaş\u200b", "rojbaş"),
    ],
)
def test_spelling_and_signs_are_made_uniform(written, spoken):
    assert normalize(written).text == spoken


REFUSED = [
    ("", "nothing to say", ""),
    (" … ?!", "nothing to say", ""),
    ("ev سلاو e", "letter without a reading", "سلاو"),
    ("ev ŵ e", "letter without a reading", "ŵ"),
    ("45.13.2024", "date that does not exist", "45.13.2024"),
    ("1.2.3", "number without a reading", "123"),
    ("ev ² e", "number without a reading", "²"),
    ("ev ¥ e", "sign without a reading", "¥"),
    ("Г'г", "word without a vowel", ""),
    ("5 №", "sign without a reading", "№"),
    ("binêre www.kurd.org", "address", ""),
    ("azad@kurd.org", "address", ""),
]


@pytest.mark.parametrize(("text", "reason", "characters"), REFUSED)
def test_what_has_no_reading_is_refused_by_name(text, reason, characters):
    with pytest.raises(TextError) as caught:
        normalize(text)
    assert caught.value.reason == reason
    assert set(characters) <= set(caught.value.characters)
    assert repr(text) in str(caught.value)


def test_every_reason_to_refuse_a_text_has_an_example():
    assert {reason for _, reason, _ in REFUSED} == set(TextReason)


def test_a_symbol_is_left_out_with_a_warning_that_names_it():
    result = normalize("Roj baş 🙂!")
    assert result.text == "roj baş"
    assert result.warnings == ("'🙂' (slightly smiling face) is not spoken",)


def test_uncertain_readings_are_told_and_certain_ones_are_not():
    found = normalize("Dr. Azad 10:30 TRT").uncertain()
    assert [change.rule for change in found] == ["abbreviation", "time", "acronym"]
    assert normalize("Ez 25 salî me, sala 2024an.").uncertain() == ()


@given(any_text)
@example("ı\u0302")  # ı + circumflex
@example("1/2'5")
@example("-5-6-7")
@example("ГГ''")
def test_every_text_is_a_text_error_or_speakable_in_any_form_and_its_changes_tell_the_whole_way(tokenizer, text):
    forms = {spoken_or_none(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(forms) == 1, "composed and decomposed forms are the same text"
    try:
        result = normalize(text, lexicon={})
    except TextError as error:
        assert str(error).count(" ") > 5
        return
    assert set(result.text) <= SPEAKABLE
    ids = encode(text, tokenizer)
    assert len(ids) >= 3 and len(ids) % 2 == 1 and not any(ids[::2])
    assert "".join(tokenizer.convert_ids_to_tokens(ids[1::2])) == result.text
    assert result.text == result.text.strip() and "  " not in result.text
    assert normalize(result.text, lexicon={}).text == result.text, "normalizing twice changes nothing more"
    parts, place = [], 0
    for change in result.changes:
        assert place <= change.start <= change.end
        assert text[change.start : change.end] == change.before != change.after
        parts += [text[place : change.start], change.after]
        place = change.end
    assert "".join([*parts, text[place:]]) == result.text


@given(st.integers(0, LARGEST), st.integers(0, 10**6 - 1))
def test_different_numbers_are_read_differently(one, other):
    assert (spell(one) == spell(other)) == (one == other)


@pytest.mark.slow
def test_no_two_integers_below_a_million_are_read_the_same():
    assert len({spell(number) for number in range(10**6)}) == 10**6


def test_roman_numerals_against_counting():
    """Built from the table of places, an independent way to write them."""
    tens = ["", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX", "XC"]
    ones = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
    for number in range(1, 400):
        assert roman_number("C" * (number // 100) + tens[number // 10 % 10] + ones[number % 10]) == number
    assert [roman_number(text) for text in ("", "IIII", "VX", "IC", "XXXX")] == [None] * 5


@pytest.mark.parametrize("sentence", ["rojbaş", "navê min azad e", "jin û jiyan", "binnivîse", "n", "nan"])
def test_ids_are_mms_interspersing(tokenizer, sentence):
    """The published code: a 0 before, between and after all letters. In Kurmanji's vocabulary 0 is also n."""
    vocabulary = {"n": 0, **{letter: i for i, letter in enumerate(sorted(set(LETTERS) - {"n"}), 1)}, " ": 31}
    expected = [0]
    for letter in sentence:
        expected += [vocabulary[letter], 0]
    assert encode(sentence, tokenizer) == expected


def test_coverage_counts_what_a_plain_tokenizer_drops_and_says_what_happens_to_it():
    table = coverage(["Sala 2024an", "Roj baş, 2 car", "ev س e", "baş"]).set_index("character")
    assert dict(table["count"]) == {"2": 3, "0": 1, "4": 1, ",": 1, "س": 1}
    assert table.loc["2", "sentences"] == 2 and table.loc["2", "example"] == "Sala 2024an"
    assert table.loc["2", "what happens"] == "number"
    assert table.loc["س", "what happens"] == "refused: letter without a reading"
    assert table.loc["س", "name"] == "arabic letter seen"
    assert list(coverage(["baş"]).columns) == list(table.reset_index().columns)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Roj baş.", [("Roj baş.", 0.0)]),
        ("Ew hat, ez çûm. Tu?", [("Ew hat,", 0.15), ("ez çûm.", 0.3), ("Tu?", 0.0)]),
        ("Dr. Azad û A. Xan hatin. Erê!", [("Dr. Azad û A. Xan hatin.", 0.3), ("Erê!", 0.0)]),
        ("Ew di 5. sinifê de ye.", [("Ew di 5. sinifê de ye.", 0.0)]),
        ("3.5 û 1.234,5 û 10:30.", [("3.5 û 1.234,5 û 10:30.", 0.0)]),
        ("Sêv û hwd. Paşê em çûn.", [("Sêv û hwd.", 0.3), ("Paşê em çûn.", 0.0)]),
        ("Sêv û hwd. li vir in.", [("Sêv û hwd. li vir in.", 0.0)]),
        ("«Tu kî yî?» wî got.", [("«Tu kî yî?»", 0.35), ("wî got.", 0.0)]),
        ("Yek\n\ndu", [("Yek", 0.35), ("du", 0.0)]),
        ("Na … , erê", [("Na … ,", 0.3), ("erê", 0.0)]),
        ("?!", []),
    ],
)
def test_long_text_is_split_at_sentences_and_clauses(text, pieces):
    assert [tuple(piece) for piece in split(text)] == pieces


@given(st.text(alphabet="abÇ 1.,!?…«»\n", max_size=40))
def test_splitting_loses_no_letter(text):
    def letters(some: str) -> str:
        return "".join(character for character in some if character.isalnum())

    assert "".join(letters(piece.text) for piece in split(text)) == letters(text)
    assert all(piece.pause > 0 for piece in split(text)[:-1])
