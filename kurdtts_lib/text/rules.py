"""All reading rules of a language. Each is a pattern and a few lines; the words are in the language's table."""

import re
from functools import cache

from kurdtts_lib.text import number_rules
from kurdtts_lib.text.language import Language, alternatives
from kurdtts_lib.text.number_rules import Reading, ReadingRule, suffix_pattern
from kurdtts_lib.text.numbers import add_suffix
from kurdtts_lib.text.table_checks import RuleName


@cache
def rules(language: Language) -> tuple[ReadingRule, ...]:
    """The rules of `language`, the more specific ones first. A section that its table lacks gives no rule."""
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


def _looked_up(pattern: str, table: dict[str, str], rule: RuleName) -> list[ReadingRule]:
    """The rule that reads a match of `pattern` as its row in `table`."""

    def say(match: re.Match[str]) -> Reading:
        return table[match.group()], rule

    return [ReadingRule(re.compile(pattern), say, needs_digit=False)]


def _symbols(language: Language) -> list[ReadingRule]:
    table = language.table("symbols")
    return _looked_up(alternatives(table), table, "symbol")


def _abbreviations(language: Language) -> list[ReadingRule]:
    table = language.table("abbreviations")
    return _looked_up(rf"(?<!\w)(?:{alternatives(table)})", table, "abbreviation")


def _titles(language: Language) -> list[ReadingRule]:
    table = language.table("titles")
    before_name = rf"(?<!\w)(?:{alternatives(table)})(?=\s?[{language.capitals}])"
    return _looked_up(before_name, table, "abbreviation")


def initials_pattern(language: Language) -> str:
    """A regular expression for an initial before more text (`A.`), or for several (`T.D.`)."""
    capital = f"[{language.capitals}]"
    return rf"(?<!\w)(?<!\w[.'])(?:(?:{capital}\.){{2,}}|{capital}\.(?=\s*\w))"


def _initials(language: Language) -> list[ReadingRule]:
    names = language.table("names")

    def say(match: re.Match[str]) -> Reading:
        return " ".join(names[letter] for letter in language.lower(match.group()) if letter in names), "initial"

    return [ReadingRule(re.compile(initials_pattern(language)), say, needs_digit=False)]


@cache
def vowelless(language: Language) -> re.Pattern[str]:
    """A word of two consonants or more, which cannot be pronounced."""
    return re.compile(rf"(?<![\w'])[{language.consonants}]{{2,}}(?![\w'])")


def _acronyms(language: Language) -> list[ReadingRule]:
    names = language.table("names")
    spelled = set(language.table("acronyms").get("spelled", ()))
    vowels = set(language.vowels.upper())

    def by_letters(word: str) -> str:
        return " ".join(names[letter] for letter in language.lower(word))

    def say(match: re.Match[str]) -> Reading | None:
        word = match["word"]
        if word in spelled or not vowels & set(word):
            return add_suffix(by_letters(word), match["suffix"], language), "acronym"
        if match.string.isupper():
            return None  # a headline in capitals: ordinary words
        return language.lower(match.group()), "acronym"

    def whole(match: re.Match[str]) -> Reading:
        return by_letters(match.group()), "acronym"

    capital = f"[{language.capitals}]"
    word = rf"(?<![\w'])(?P<word>{capital}{{2,}}){suffix_pattern(language)}(?!\w)"
    mixed = rf"(?<!\w){capital}{{1,3}}(?=-?[0-9])|(?<=[0-9]){capital}{{1,2}}(?!\w)"  # B12, 5G
    return [
        ReadingRule(re.compile(word), say, needs_digit=False),
        ReadingRule(re.compile(mixed), whole),
        ReadingRule(vowelless(language), whole, needs_digit=False),
    ]
