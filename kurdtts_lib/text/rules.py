"""What is written otherwise than it is said. Each rule is a pattern and a few lines; the words are the table's."""

import re
from functools import cache

from kurdtts_lib.text import number_rules
from kurdtts_lib.text.language import Language, alternatives
from kurdtts_lib.text.number_rules import Reading, Rule, suffix_pattern
from kurdtts_lib.text.numbers import add_suffix


@cache
def rules(language: Language) -> tuple[Rule, ...]:
    """The rules of `language`, the more special ones first. A section that its table leaves out gives no rule."""
    made = (
        (("dates", "numbers"), number_rules.dates),
        (("times", "numbers"), number_rules.times),
        (("numbers",), number_rules.phone_numbers),
        (("percent", "numbers"), number_rules.percent),
        (("currency", "numbers"), number_rules.currency),
        (("fractions", "numbers"), number_rules.fractions),
        (("units", "numbers"), number_rules.units),
        (("roman", "numbers"), number_rules.roman),
        (("numbers",), number_rules.numbers),
        (("symbols",), _symbols),
        (("abbreviations",), _abbreviations),
        (("titles",), _titles),
        (("names",), _initials),
        (("names",), _acronyms),
    )
    return tuple(rule for needed, make in made if all(map(language.table, needed)) for rule in make(language))


def _symbols(language: Language) -> list[Rule]:
    table = language.table("symbols")

    def say(match: re.Match[str]) -> Reading:
        return table[match.group()], "symbol"

    return [Rule(re.compile(alternatives(table)), say, needs_digit=False)]


def _abbreviations(language: Language) -> list[Rule]:
    table = language.table("abbreviations")

    def say(match: re.Match[str]) -> Reading:
        return table[match.group()], "abbreviation"

    return [Rule(re.compile(rf"(?<!\w)(?:{alternatives(table)})"), say, needs_digit=False)]


def _titles(language: Language) -> list[Rule]:
    table = language.table("titles")

    def say(match: re.Match[str]) -> Reading:
        return table[match.group()], "abbreviation"

    before_name = rf"(?<!\w)(?:{alternatives(table)})(?=\s?[{language.capitals}])"
    return [Rule(re.compile(before_name), say, needs_digit=False)]


def initials_pattern(language: Language) -> str:
    """`A.` before more text, or several: `T.D.`"""
    capital = f"[{language.capitals}]"
    return rf"(?<!\w)(?<!\w[.'])(?:(?:{capital}\.){{2,}}|{capital}\.(?=\s*\w))"


def _initials(language: Language) -> list[Rule]:
    names = language.table("names")

    def say(match: re.Match[str]) -> Reading:
        return " ".join(names[letter] for letter in language.lower(match.group()) if letter in names), "initial"

    return [Rule(re.compile(initials_pattern(language)), say, needs_digit=False)]


def _acronyms(language: Language) -> list[Rule]:
    names = language.table("names")
    spelled = set(language.table("acronyms").get("spelled", ()))
    vowels = set(language.vowels.upper())

    def say(match: re.Match[str]) -> Reading | None:
        word = match["word"]
        if word in spelled or not vowels & set(word):
            letters = " ".join(names[letter] for letter in language.lower(word))
            return add_suffix(letters, match["suffix"] or "", language), "acronym"
        if match.string.isupper():
            return None  # a title in capitals: ordinary words
        return language.lower(match.group()), "acronym"

    def beside_digits(match: re.Match[str]) -> Reading:
        return " ".join(names[letter] for letter in language.lower(match.group())), "acronym"

    def without_vowel(match: re.Match[str]) -> Reading:
        return " ".join(names[letter] for letter in match.group()), "acronym"

    capital = f"[{language.capitals}]"
    nobody_says = rf"(?<![\w'])[{language.consonants}]{{2,}}(?![\w'])"
    word = rf"(?<![\w'])(?P<word>{capital}{{2,}}){suffix_pattern(language)}(?!\w)"
    mixed = rf"(?<!\w){capital}{{1,3}}(?=-?[0-9])|(?<=[0-9]){capital}{{1,2}}(?!\w)"  # B12, 5G
    return [
        Rule(re.compile(word), say, needs_digit=False),
        Rule(re.compile(mixed), beside_digits),
        Rule(re.compile(nobody_says), without_vowel, needs_digit=False),
    ]
