"""Reading rules of short forms: abbreviations, Roman numerals, initialisms, single letters, tags."""

import re

from kurdtts_lib.core.errors import TextReason
from kurdtts_lib.text.language import CAPITALS, CONSONANTS, LETTERS, TABLE, VOWELS, alternatives, lower
from kurdtts_lib.text.numbers import add_suffix, spell
from kurdtts_lib.text.rules import ENDING, SUFFIX, Doubt, Reading, after, before, measure, reads

INITIALS = rf"(?<!\w)(?<!\w[.'])(?:(?:[{CAPITALS}]\.){{2,}}(?:[{CAPITALS}](?!\w))?|[{CAPITALS}]\.(?=\s*\w))"
"""An initial before more text (`A.`), or several (`T.D.`)."""
VOWELLESS = re.compile(rf"(?<![\w'])[{CONSONANTS}]+(?![\w'])")
"""A word of consonants, which cannot be pronounced."""
SHORT_FORMS: dict[str, str] = {
    **TABLE["titles"], **TABLE["number_abbreviations"], **TABLE["abbreviations"], **TABLE["eras"]
}  # fmt: skip


def _abbreviations(section: str) -> str:
    """A pattern for the keys of `section`: vowelless ones with points inside (h.w.d.), or without any (hwd)."""
    keys = sorted(TABLE[section], key=len, reverse=True)
    dotted = [
        (r"(?:\. ?)?".join(key) + r"(?:\.|(?!\w))") if VOWELLESS.fullmatch(key) else rf"{key}(?:\.|(?=: ?[0-9]))"
        for key in keys
    ]
    return rf"(?<![\w'])(?i:{'|'.join(dotted)})"


ABBREVIATION = _abbreviations("abbreviations")
NUMBER_ABBREVIATION = rf"{_abbreviations('number_abbreviations')}(?=:? ?[0-9])"
TITLE = rf"{_abbreviations('titles')}(?=\s?[{CAPITALS}])"
ERA = _abbreviations("eras")


@reads(ERA, needs="")
def _era(match: re.Match[str]) -> Reading | None:
    near = before(match, 12) + match.string[match.end() : match.end() + 3]
    certain = "." in match.group() if match.group().islower() else re.search(r"\d", near)
    return (SHORT_FORMS[short_form(match.group())], "abbreviation") if certain else None


@reads(ABBREVIATION, NUMBER_ABBREVIATION, TITLE, needs="")
def _abbreviation(match: re.Match[str]) -> Reading:
    return SHORT_FORMS[short_form(match.group())], "abbreviation"


def short_form(written: str) -> str:
    """The key of an abbreviation in the table."""
    return re.sub(r"\W", "", lower(written))


NUMERAL = r"(?P<numeral>[IVXLC]+)"
_LINK = rf"[IVXLC]+(?:'?{ENDING})?(?!\w)|(?<!\w)(?:{alternatives(TABLE['roman']['joined'])})(?!\w)"
CHAIN = re.compile(rf"(?:{'|'.join(TABLE['roman']['centuries'])})(?:{_LINK}|[-–,. ])*\Z", re.I)
"""A century, and the numerals that are joined to it: `sedsalên XIX û`."""
COUNTED = rf"(?:{alternatives(TABLE['roman']['counted'])})"


@reads(
    rf"{after(TABLE['roman']['centuries'])}{NUMERAL}(?: an(?! [IVXLC0-9])(?!\w)|{SUFFIX})(?!\w)",
    rf"(?<![\w.'])(?:(?<![A-Z]-)|(?<=[IVX]-)){NUMERAL}(?: an(?= de(?!\w))|\.(?=\s\w)|{SUFFIX})(?!\w)",
    needs="capital",
)
def _roman(match: re.Match[str]) -> Reading | None:
    numeral, said, text = match["numeral"], before(match), match.string
    number = roman_number(numeral)
    century = CHAIN.search(said)
    if number is None or not (century or _is_counted(numeral, said, text[match.end() : match.end() + 12])):
        return None
    ending = match["suffix"] or (TABLE["roman"]["century_suffix"] if century else TABLE["suffixes"]["ordinal"])
    if re.match("[-–][IVXLC]", text[match.end() : match.end() + 2]):
        ending = ""  # XV-XVI: the last one has the ending
    return add_suffix(spell(number), ending), "Roman numeral"


def _is_counted(numeral: str, said: str, following: str) -> bool:
    """Whether a numeral is one by its form, or by the words around it."""
    if re.search(rf"(?i:(?<!\w){COUNTED}\w* )\Z", said) or re.match(rf"\s*(?i:{COUNTED})", following):
        return True
    if len(numeral) > 1 and not set(numeral) & {*"LC"}:
        return True
    named = re.search(rf"(?:(?<!\w)(?:yê|ya)|[{CAPITALS}][{LETTERS}]+) \Z", said)
    return bool(named and numeral in ("I", "V")) or bool(
        re.search(rf"(?:{'|'.join(TABLE['roman']['rulers'])}) \Z", said)
    )


def roman_number(numeral: str) -> int | None:
    """The value of a well-formed Roman numeral below 400, None for any other sequence of letters."""
    if not numeral or not re.fullmatch(r"(C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})", numeral):
        return None
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[letter] for letter in numeral]
    return sum(
        -value if value < following else value for value, following in zip(values, [*values[1:], 0], strict=True)
    )


def by_letters(word: str) -> str:
    return " ".join(TABLE["names"][letter] for letter in lower(word) if letter in TABLE["names"])


@reads(rf"{INITIALS}{SUFFIX}", needs="capital")
def _initial(match: re.Match[str]) -> Reading:
    written = match.group()[: match.start("suffix") - match.start()] if match["suffix"] else match.group()
    return add_suffix(by_letters(written), match["suffix"]), "initial"


_START = rf"(?:[{CONSONANTS}]|{alternatives(TABLE['syllables']['starts'])})"
_END = rf"(?:[{CONSONANTS}]|{alternatives(TABLE['syllables']['ends'])})"
SYLLABLES = re.compile(rf"{_START}?[{VOWELS}](?:[{CONSONANTS}]{{1,2}}[{VOWELS}])*{_END}?")
FOREIGN = re.compile(TABLE["syllables"]["foreign"])


def is_pronounceable(word: str) -> bool:
    """Whether Kurmanji could say it as a word; a long one needs no more than a vowel in every few letters."""
    if len(word) > 5:
        return not re.search(rf"[{CONSONANTS}]{{4}}", word) and not re.fullmatch(rf"[{CONSONANTS}]+[{VOWELS}]?", word)
    return SYLLABLES.fullmatch(word) is not None


@reads(
    rf"(?<![\w'])(?P<word>[{CAPITALS}]{{2,}})(?:['-]?(?P<suffix>{ENDING})|'(?P<capital>(?i:{ENDING})))?(?!\w)",
    needs="capital",
)
def _acronym(match: re.Match[str]) -> Reading | None:
    word, suffix = match["word"], match["suffix"] or match["capital"]
    small = lower(word)
    near = before(match, 20), match.string[match.end() : match.end() + 20]
    headline = (
        match.string.isupper()
        or re.search(rf"[{CAPITALS}]{{4,}}\W+\Z", near[0])
        or re.match(rf"\W+[{CAPITALS}]{{4,}}", near[1])
    )
    if is_pronounceable(small) and (len(word) > 2 or headline or small in TABLE["syllables"]["words"]):
        return None if match.string.isupper() else (add_suffix(small, suffix), "acronym")
    if FOREIGN.fullmatch(small):
        message = f"{word!r} is a word of another language, and no initialism. Write it as it sounds."
        raise Doubt(message, TextReason.FOREIGN_WORD, instead=add_suffix(small, suffix))
    if inflected := re.fullmatch(
        rf"([{CONSONANTS}]{{3,}}?|[{CONSONANTS}]{{2}}(?=y))(y?(?:ê|a|an|î))", small
    ):  # PKKÊ in a headline
        return add_suffix(by_letters(inflected[1]), inflected[2]), "acronym"
    return add_suffix(by_letters(word), suffix), "acronym"


@reads(rf"(?<!\w)[{CAPITALS}]{{1,3}}(?=-?[0-9])|(?<=[0-9])[{CAPITALS}]{{1,2}}(?!\w)")  # B12, 5G; first of the two
def _letters(match: re.Match[str]) -> Reading:
    return by_letters(match.group()), "acronym"


@reads(rf"(?<![\w'])[{CONSONANTS}{CONSONANTS.upper()}]+(?![\w'])", needs="")
def _vowelless(match: re.Match[str]) -> Reading:
    word = match.group()
    if len(word) > 1 and word in TABLE["units"]:
        return measure(word), "unit"
    if len(word) == 1:
        return by_letters(word), "letter name"
    message = f"{word!r} has no vowel, so nobody can say it. Write it as it sounds."
    raise Doubt(message, TextReason.NO_VOWEL, instead=by_letters(word))


@reads(rf"#(?P<name>[{CAPITALS}]?[{LETTERS}]+(?:_?[{CAPITALS}]?[{LETTERS}]+)+)(?!\w)", needs="sign")
def _tag(match: re.Match[str]) -> Reading:
    words = re.sub(rf"(?<=[{LETTERS}])_?(?=[{CAPITALS}])|_", " ", match["name"])
    return lower(words), "tag"
