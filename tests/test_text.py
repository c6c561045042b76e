"""Spelling and token ids: what is written is what is said, or an error."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.text import LETTERS, coverage, encode, normalize, read_aloud, split
from kurdtts_lib.text.numbers import LARGEST, spell
from kurdtts_lib.text.short_forms import is_pronounceable, roman_number

SPEAKABLE = set(LETTERS + " -'")

# Letters, marks and accents that meet in Kurmanji texts, with the traps of Unicode case among them.
kurdish_text = st.text(
    alphabet=LETTERS + LETTERS.upper() + "İIıĞğẌẍḦḧÖöÜüÉéÈàáï ’‘`´ʼ′'.,?!;:…“”«»()[]–—/-\n\t", max_size=25
)
accented_text = st.text(alphabet="aeiosuıIİğGñé'\u0301\u0302\u0307\u0327\u0323", max_size=6)
"""Letters under loose accents, which Unicode joins or leaves apart."""
numeric_text = st.text(alphabet="0123456789.,:/-–+%€ kmê'anTRBX½²₂=i\"″", max_size=18)
"""Everything that the rules of numbers look for, in any order."""
chat_text = st.text(alphabet="aŞb #@:)(;-<>3[1]¹²→=^_°'\"XIVL.kmرΩ", max_size=16)
SILENT = {"mark", "spaces", "invisible character", "footnote mark"}
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
        (unicodedata.normalize("NFD", "Ê Î Û Ş Ç ê î û ş ç"), "ê î û şe çe ê î û şe çe"),
        ("I\u0307STANBUL", "îstanbul"),
        ("min’re ‘wan’ li`ser ev´e maʼna ev′", "min're 'wan' li'ser ev'e ma'na ev'"),
        ("ẍezal ḧeft Ẍ Ḧ", "xezal heft xe he"),
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
    ("ev ß ю e", "letter without a reading", "ю"),
    ("45.13.2024", "date that does not exist", "45.13.2024"),
    ("1.2.3", "number without a reading", "123"),
    ("ev 12/7 e", "more than one reading", "/"),
    ("ev ² e", "number without a reading", "²"),
    ("ev ₪ e", "sign without a reading", "₪"),
    ("Г'г", "word without a vowel", ""),
    ("ev mrb e", "word without a vowel", ""),
    ("ev SHELL e", "foreign word in capitals", ""),
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


@pytest.mark.parametrize(
    ("text", "spoken", "named"),
    [
        ("Ew سلاو got.", "ew got", "'س'"),
        ("Roja 45.13.2024 hat.", "roja çar pênc yek sê du sifir du çar hat", "45.13.2024"),
        ("Li 1.2.3 binêre", "li yek du sê binêre", "1.2.3"),
        ("Binêre https://www.rudaw.net/ku/1", "binêre rudaw xal net", "rudaw.net"),
        ("azad@example.com", "azad et ekzample xal kom", "azad@example.com"),
        ("mrb heval", "me re be heval", "'mrb'"),
        ("SHELL'ê got", "shellê got", "'SHELL'"),
        ("5 ₪", "pênc", "'₪'"),
        ("Pir xweş :) e", "pir xweş e", "':)'"),
        ("Dvořák", "dvorak", "'řá' is read 'ra'"),
    ],
)
def test_reading_aloud_says_what_it_can_and_names_the_rest(text, spoken, named):
    result = read_aloud(text, lexicon={"example": "ekzample", "com": "kom"})
    assert result.text == spoken
    assert any(named in line for line in result.warnings)


@given(any_text | chat_text)
def test_reading_aloud_loses_nothing_without_a_warning(text):
    try:
        result = read_aloud(text, lexicon={})
    except TextError as error:
        assert error.reason is TextReason.NOTHING
        return
    assert set(result.text) <= SPEAKABLE and result.text == " ".join(result.text.split())
    read = {place for change in result.changes for place in range(change.start, change.end)}
    untouched = set(range(len(result.written))) - read
    assert {result.written[place] for place in untouched} <= SPEAKABLE, "a character that no rule took"
    lost = [change for change in result.changes if not change.after.strip() and change.rule not in SILENT]
    for change in lost:
        signs = [sign for sign in change.before if not sign.isspace()]
        assert any(sign in line or repr(sign)[1:-1] in line for sign in signs for line in result.warnings)
    try:
        assert normalize(text, lexicon={}).text == result.text, "both say the same where nothing is refused"
    except TextError:
        assert result.problems


@pytest.mark.parametrize("word", ["nato", "daliş", "mît", "kesk", "hep", "pen", "stran", "kurdistan"])
def test_a_word_of_kurmanji_syllables_is_pronounceable(word):
    assert is_pronounceable(word)


@pytest.mark.parametrize("word", ["akp", "enks", "dya", "imf", "abd", "uefa", "pjak", "ihd", "ernk"])
def test_a_word_of_other_syllables_is_not(word):
    assert not is_pronounceable(word)


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
        assert result.written[change.start : change.end] == change.before != change.after
        parts += [result.written[place : change.start], change.after]
        place = change.end
    assert "".join([*parts, result.written[place:]]) == result.text


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


@pytest.mark.parametrize("sentence", ["rojbaş", "navê min azad e", "jin û jiyan", "binnivîse", "nan"])
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
        (
            "Ew îro ji bajêr hat, ez bi êvarê re çûm. Tu?",
            [("Ew îro ji bajêr hat,", 0.15), ("ez bi êvarê re çûm.", 0.3), ("Tu?", 0.0)],
        ),
        ("Ew hat, ez çûm. Tu?", [("Ew hat, ez çûm.", 0.3), ("Tu?", 0.0)]),
        ("Dr. Azad û A. Xan hatin. Erê!", [("Dr. Azad û A. Xan hatin.", 0.3), ("Erê!", 0.0)]),
        ("Ew di 5. sinifê de ye.", [("Ew di 5. sinifê de ye.", 0.0)]),
        ("Di 5. Kongreyê de di 15. 08. 1984 de.", [("Di 5. Kongreyê de di 15. 08. 1984 de.", 0.0)]),
        ("Şerê Cîhanê yê II. di 1939 – 1945 de bû.", [("Şerê Cîhanê yê II. di 1939 – 1945 de bû.", 0.0)]),
        ("Rast e[3]. Erê.", [("Rast e[3].", 0.3), ("Erê.", 0.0)]),
        ("3.5 û 1.234,5 û 10:30.", [("3.5 û 1.234,5 û 10:30.", 0.0)]),
        ("Sêv û hwd. Paşê em çûn.", [("Sêv û hwd.", 0.3), ("Paşê em çûn.", 0.0)]),
        ("Sêv û hwd. li vir in.", [("Sêv û hwd. li vir in.", 0.0)]),
        ("«Tu kî yî?» wî got.", [("«Tu kî yî?»", 0.35), ("wî got.", 0.0)]),
        ("Yek\n\ndu", [("Yek", 0.35), ("du", 0.0)]),
        ("Lîste\n1. Nan\n2. Av", [("Lîste", 0.35), ("1. Nan", 0.35), ("2. Av", 0.0)]),
        ("Rêzeke dirêj ku\nli vir berdewam dike.", [("Rêzeke dirêj ku\nli vir berdewam dike.", 0.0)]),
        (
            "Ew bajarê kevin e (berê gundek bû) û niha pir xweş e.",
            [("Ew bajarê kevin e", 0.15), ("(berê gundek bû)", 0.15), ("û niha pir xweş e.", 0.0)],
        ),
        (
            "Ew ji welatê xwe çû - lê belê dîsa vegeriya.",
            [("Ew ji welatê xwe çû -", 0.15), ("lê belê dîsa vegeriya.", 0.0)],
        ),
        ("Na … , erê", [("Na … ,", 0.3), ("erê", 0.0)]),
        ("?!", []),
    ],
)
def test_long_text_is_split_at_sentences_and_clauses(text, pieces):
    assert [tuple(piece[:2]) for piece in split(text)] == pieces


@given(st.text(alphabet="abÇ 1.,!?…«»()-\n", max_size=40))
def test_splitting_loses_no_letter(text):
    def letters(some: str) -> str:
        return "".join(character for character in some if character.isalnum())

    assert "".join(letters(piece.text) for piece in split(text)) == letters(text)
    assert all(piece.pause > 0 for piece in split(text)[:-1])
