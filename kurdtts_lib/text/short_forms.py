"""Reading rules of short forms: abbreviations, Roman numerals, initialisms, single letters, tags."""

import re
from functools import lru_cache

from kurdtts_lib.core.errors import TextReason
from kurdtts_lib.text.language import CAPITALS, CONSONANTS, LETTERS, TABLE, VOWELS, alternatives, lower
from kurdtts_lib.text.numbers import add_suffix, one_by_one, spell
from kurdtts_lib.text.quantities import measure
from kurdtts_lib.text.rules import ENDING, PARTS, SUFFIX, Doubt, Reading, before, reads

INITIALS = rf"(?<!\w)(?<!\w[.'])(?:(?:[{CAPITALS}]\.){{2,}}(?:[{CAPITALS}](?!\w))?|[{CAPITALS}]\.(?=\s*\w))"
"""An initial before more text (`A.`), or several (`T.D.`)."""
VOWELLESS = re.compile(rf"(?<![\w'])[{CONSONANTS}]+(?![\w'])")
"""A word of consonants, which cannot be pronounced."""


def _abbreviations(section: str) -> str:
    """A pattern for the keys of `section`: vowelless ones with points inside (h.w.d.), or without any (hwd)."""
    keys = sorted(TABLE[section], key=len, reverse=True)
    dotted = [
        (r"(?:\. ?)?".join(key) + r"(?:\.|(?!\w))") if VOWELLESS.fullmatch(key) else rf"{key}(?:\.|(?=: ?[0-9]))"
        for key in keys
    ]
    return rf"(?<![\w'])(?i:{'|'.join(dotted)})"


_ERA = _abbreviations("eras")
ABBREVIATIONS = {
    "eras": rf"(?:(?<=[0-9] )|(?<=[0-9]an a )|(?<=[0-9]an )|(?<=[0-9]em a )|(?=[{LETTERS}]\.)){_ERA}|{_ERA}(?= ?[0-9])",
    "number_abbreviations": rf"{_abbreviations('number_abbreviations')}(?=:? ?[0-9])",
    "year_abbreviations": rf"{_abbreviations('year_abbreviations')}(?=:? ?(?:[0-9]{{4}}(?![0-9/.])|[0-9]{{3}} ?[-–)]))",
    "titles": rf"{_abbreviations('titles')}(?=\s?[{CAPITALS}])",
    "abbreviations": _abbreviations("abbreviations"),
}
_ANY = "|".join(f"(?P<{section}>{pattern})" for section, pattern in ABBREVIATIONS.items())


# First what all of them have, because that is quick: a point, or no vowel.
@reads(rf"(?=(?<!\w)(?:[^\W\d]{{1,5}}[.:]|[{CONSONANTS}{CONSONANTS.upper()}]+(?!\w)))(?:{_ANY})", needs="")
def _abbreviation(match: re.Match[str]) -> Reading:
    return TABLE[match.lastgroup or ""][short_form(match.group())], "abbreviation"


def short_form(written: str) -> str:
    """The key of an abbreviation in the table."""
    return re.sub(r"\W", "", lower(written))


@reads(
    rf"(?<![\w'.])(?P<word>[{CAPITALS}]?[{LETTERS}]{{1,5}})\.(?=[,;:])",
    rf"(?<![\w'.])(?P<word>(?:[{LETTERS}]\.){{2,}})",
    rf"(?:(?<=[,;:] )|(?<=\())(?P<word>[{LETTERS}]{{1,5}})\.(?= ?[0-9])",
    rf"(?<![\w'.-])(?P<word>[{CONSONANTS}])\.(?=\s?[{LETTERS}0-9])",
    needs="point",
)
def _unknown_abbreviation(match: re.Match[str]) -> Reading | None:
    if len(match["word"]) == 1 and re.search(rf"{PARTS['LETTER']} \Z", before(match)):
        return None
    word = lower(match["word"])
    spelled = "." in word or VOWELLESS.fullmatch(word)
    raise Doubt(match.group(), (one_by_one(word) if spelled else word, "abbreviation"))


NUMERAL = r"(?P<numeral>[IVXLC]+)"
_LINK = rf"[IVXLC]+(?:'?{ENDING})?(?!\w)|(?<!\w)(?:{alternatives(TABLE['roman']['joined'])})(?!\w)"
CENTURIES = alternatives(TABLE["roman"]["centuries"])
CHAIN = re.compile(rf"(?:{CENTURIES})(?:{_LINK}|[-–,. ])*\Z", re.I)
"""A century, and the numerals that are joined to it: `sedsalên XIX û`."""
COUNTED = rf"(?:{alternatives(TABLE['roman']['counted'])})"


@reads(
    rf"(?<!\w)(?P<word>(?i:{CENTURIES}) ){NUMERAL}(?: an(?! [IVXLC0-9])(?!\w)|{SUFFIX})(?!\w)",
    rf"(?<![\w.',])(?:(?<![A-Z]-)|(?<=[IVX]-)){NUMERAL}(?: an(?= de(?!\w))|\.(?=\s\w)|{SUFFIX})(?!\w)",
    needs="capital",
)
def _roman(match: re.Match[str]) -> Reading | None:
    word = match.groupdict().get("word", "")
    numeral, said, text = match["numeral"], before(match) + word, match.string
    number = roman_number(numeral)
    century = CHAIN.search(said)
    if number is None or not (century or _is_counted(numeral, said, text[match.end() : match.end() + 12])):
        return None
    ending = match["suffix"] or (TABLE["roman"]["century_suffix"] if century else TABLE["suffixes"]["ordinal"])
    if re.match("[-–][IVXLC]", text[match.end() : match.end() + 2]):
        ending = ""  # XV-XVI: the last one has the ending
    return lower(word) + add_suffix(spell(number), ending), "Roman numeral"


def _is_counted(numeral: str, said: str, following: str) -> bool:
    """Whether a numeral is one by its form, or by the words around it."""
    return bool(
        re.search(rf"(?i:(?<!\w){COUNTED}\w* )\Z", said)
        or re.match(rf"\s*(?i:{COUNTED})", following)
        or (len(numeral) > 1 and not set(numeral) & {*"LC"})
        or (numeral in ("I", "V") and re.search(rf"(?:(?<!\w)(?:yê|ya)|[{CAPITALS}][{LETTERS}]+) \Z", said))
    )


def roman_number(numeral: str) -> int | None:
    """The value of a well-formed Roman numeral below 400, None for any other sequence of letters."""
    if not numeral or not re.fullmatch(r"(C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})", numeral):
        return None
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[letter] for letter in numeral]
    return sum(-one if one < following else one for one, following in zip(values, [*values[1:], 0], strict=True))


@reads(rf"(?P<letters>{INITIALS}){SUFFIX}", needs="capital")
def _initial(match: re.Match[str]) -> Reading:
    return add_suffix(one_by_one(match["letters"]), match["suffix"]), "initial"


_START = rf"(?:[{CONSONANTS}]|{alternatives(TABLE['syllables']['starts'])})"
_END = rf"(?:[{CONSONANTS}]|{alternatives(TABLE['syllables']['ends'])})"
SYLLABLES = re.compile(rf"{_START}?[{VOWELS}](?:[{CONSONANTS}]{{1,2}}[{VOWELS}])*{_END}?")
FOREIGN = re.compile(TABLE["syllables"]["foreign"])


def is_pronounceable(word: str) -> bool:
    """Whether Kurmanji could say it as a word; a long one needs no more than a vowel in every few letters."""
    if len(word) > 5:
        return not re.search(rf"[{CONSONANTS}]{{4}}", word) and not re.fullmatch(rf"[{CONSONANTS}]+[{VOWELS}]?", word)
    return SYLLABLES.fullmatch(word) is not None


_is_capitals = lru_cache(maxsize=1)(str.isupper)  # once a text, not once a word: it takes time for its length


@reads(
    rf"(?<![\w'])(?P<word>[{CAPITALS}]{{2,}})(?:['-]?(?P<suffix>{ENDING})|'(?P<capital>(?i:{ENDING})))?(?!\w)",
    needs="capital",
)
def _acronym(match: re.Match[str]) -> Reading | None:
    word, suffix = match["word"], match["suffix"] or match["capital"]
    small = lower(word)
    headline = (
        _is_capitals(match.string)
        or re.search(rf"[{CAPITALS}]{{4,}}\W+\Z", before(match, 20))
        or re.match(rf"\W+[{CAPITALS}]{{4,}}", match.string[match.end() : match.end() + 20])
    )
    if is_pronounceable(small) and (len(word) > 2 or headline or small in TABLE["syllables"]["words"]):
        return None if _is_capitals(match.string) else (add_suffix(small, suffix), "acronym")
    if FOREIGN.fullmatch(small):
        why = "is a word of another language, and no initialism. Write it as it sounds."
        raise Doubt(word, (add_suffix(small, suffix), "acronym"), TextReason.FOREIGN_WORD, why)
    inflected = re.fullmatch(rf"([{CONSONANTS}]{{3,}}?|[{CONSONANTS}]{{2}}(?=y))(y?(?:ê|a|an|î))", small)
    if inflected:  # PKKÊ in a headline
        return add_suffix(one_by_one(inflected[1]), inflected[2]), "acronym"
    return add_suffix(one_by_one(word), suffix), "acronym"


@reads(rf"(?<![\w'])[{CONSONANTS}{CONSONANTS.upper()}]+(?![^\W²³]|')", needs="")
def _vowelless(match: re.Match[str]) -> Reading:
    word = match.group()
    if len(word) > 1 and word in TABLE["units"]:
        return measure(word), "unit"
    if len(word) == 1:
        return one_by_one(word), "letter name"
    why = "has no vowel, so nobody can say it. Write it as it sounds."
    raise Doubt(word, (one_by_one(word), "acronym"), TextReason.NO_VOWEL, why)


@reads(rf"#(?P<name>[{CAPITALS}]?[{LETTERS}]+(?:_?[{CAPITALS}]?[{LETTERS}]+)+)(?!\w)", needs="sign")
def _tag(match: re.Match[str]) -> Reading:
    return lower(re.sub(rf"(?<=[{LETTERS}])_?(?=[{CAPITALS}])|_", " ", match["name"])), "tag"
