"""Form of the reading table. All of it is checked when the table is loaded, not at the first sentence."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from kurdtts_lib.core.errors import TextError, TextReason

RuleName = Literal[
    "date", "time", "phone number", "percent", "currency", "fraction", "unit", "Roman numeral", "range", "ordinal",
    "number", "negative number", "decimal number", "digit by digit", "symbol", "abbreviation", "initial", "acronym",
    "foreign letter", "foreign mark", "Cyrillic letters", "apostrophe", "lower case", "your lexicon",
    "list of words", "degrees", "power", "arithmetic", "tag", "letter name", "address", "footnote mark",
    "mark", "spaces", "invisible character", "symbol left out",
]  # fmt: skip
"""The rules that change a text, as `TextChange.rule` names them."""


class Leaf(NamedTuple):
    """A single value."""

    form: str | Callable[[Any], bool]
    """A regular expression, in which A is the alphabet; or a function."""
    expected: str


def _is_pattern(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


ALPHABET = Leaf(
    lambda value: isinstance(value, str) and value.isalpha() and value.islower() and len(set(value)) == len(value),
    "small letters, each once",
)
TEXT = Leaf(".*", 'a text between "')
SIGN, LETTER = Leaf(".", "one sign"), Leaf("(?i:[A])", "one letter of the alphabet")
WRITTEN = Leaf(r".*\S.*", "a word or sign as it is written")
SPOKEN = Leaf("[A '-]+", "words in the alphabet's small letters")
ENDING = Leaf("[A]*", 'an ending in the alphabet\'s small letters, "" for none')
POWER = Leaf(lambda value: type(value) is int and value >= 3, "a whole number from 3 up")
YEAR = Leaf(lambda value: type(value) is int and 10 <= value <= 99, "a number from 10 to 99")
PAUSE = Leaf(lambda value: type(value) in (int, float) and 0 <= value <= 10, "a number from 0 to 10")
PATTERN = Leaf(_is_pattern, "a regular expression")
ANY, NUMBER, WHOLE, COUNT = "[A '-]*", r"\{number\}", r"\{whole\}", r"\{count\}"

FORMS: dict[str, Any] = {
    "alphabet": ALPHABET,
    "vowels": Leaf("[A]+", "letters of the alphabet"),
    "uncertain": [Leaf("|".join(get_args(RuleName)), f"names of rules: {', '.join(get_args(RuleName))}")],
    "letters": {SIGN: LETTER},
    "apostrophes": {"signs": TEXT},
    "digits": {Leaf(".+", "digits"): Leaf("[0-9]+", "the same digits from 0 to 9")},
    "script": {Leaf(".'?", "one letter, perhaps with ' after it"): LETTER},
    "pauses": {SIGN: {"seconds": PAUSE, "mark": Leaf("[.,?!:]", "one of . , ? ! :")}},
    "silent": {"signs": TEXT},
    "numbers": {
        **dict.fromkeys(("joiner", "minus", "decimal"), SPOKEN),
        "small": [SPOKEN, 20],
        "tens": [SPOKEN, 8],
        "hundred": {"word": SPOKEN, "one": SPOKEN},
        "scales": [{"power": POWER, "word": SPOKEN, "one": SPOKEN}],
        "decimal_sign": Leaf("[,.]", '"," or "."'),
        "thousands_sign": Leaf(".?", 'one sign, "" for none'),
    },
    "suffixes": {"endings": [SPOKEN], "glide": ENDING, "shortened": {SIGN: SIGN}, "ordinal": ENDING},
    "dates": {"months": [SPOKEN, 12], "day": ENDING, "year": ENDING, "pivot": YEAR},
    "ordinals": {"after": [SPOKEN]},
    "times": {"half": SPOKEN, "words": [WRITTEN], "until": [WRITTEN], "minute": WRITTEN},
    "fractions": {
        "half": SPOKEN,
        "quarter": SPOKEN,
        "part": Leaf(f"{ANY}({WHOLE}{ANY}{COUNT}|{COUNT}{ANY}{WHOLE}){ANY}", "small letters, {whole} and {count}"),
        "whole_suffix": ENDING,
    },
    "percent": {SIGN: Leaf(f"{ANY}{NUMBER}{ANY}", "small letters and {number}")},
    "compounds": {"per": Leaf(rf"{ANY}\{{unit\}}{ANY}", "small letters and {unit}"), "suffix": ENDING},
    "degrees": dict.fromkeys(("degree", "minute", "second", "inch", "power"), SPOKEN),
    "arithmetic": {"between": {SIGN: SPOKEN}, "equation": {SIGN: SPOKEN}},
    "addresses": {"point": SPOKEN, "at": SPOKEN},
    **{section: {WRITTEN: SPOKEN} for section in ("currency", "units", "unit_powers", "directions", "symbols")},
    **{section: {SPOKEN: SPOKEN} for section in ("abbreviations", "number_abbreviations", "eras", "titles")},
    "endings": {"words": [SPOKEN]},
    "names": {Leaf("[A]", "a letter of the alphabet"): SPOKEN},
    "syllables": {**{key: [SPOKEN] for key in ("starts", "ends", "words")}, "foreign": PATTERN},
    "roman": {"century_suffix": ENDING, **{key: [WRITTEN] for key in ("centuries", "joined", "rulers", "counted")}},
    "left_out": {SPOKEN: PATTERN},
    "refused": {Leaf("|".join(TextReason), ", ".join(TextReason)): PATTERN},
}
"""The form of each key and section. A list: [form of each item], or [form, how many]. A section of rows has a `Leaf`
for the left side of all its rows."""


def check_table(table: dict[str, Any], path: Path) -> None:
    """Raise TextError, with file, section, key and what is expected, if `table` is invalid."""
    _check(table, FORMS, str(path), re.escape(str(table.get("alphabet", ""))))
    powers = [row["power"] for row in table["numbers"]["scales"]]
    if sorted({*powers, 3}, reverse=True) != powers:
        raise TextError(f"{path}, [numbers]: scales: {powers} is wrong. Expected: the powers fall, and the last is 3.")
    for signs, digits in table["digits"].items():
        if len(signs) != len(digits):
            raise TextError(f"{path}, [digits]: {signs} = {digits!r} is wrong. Expected: as many digits.")
    if missing := set(table["alphabet"]) - table["names"].keys():
        raise TextError(f"{path}, [names]: a row is missing for {', '.join(sorted(missing))}. Expected: all letters.")


def _check(value: Any, form: Any, where: str, alphabet: str) -> None:
    """Raise TextError unless `value` has the form."""
    if isinstance(form, dict) and isinstance(value, dict):
        _check_keys(value, form, where, alphabet)
    elif isinstance(form, list) and isinstance(value, list) and form[1:] in ([], [len(value)]):
        for item in value:
            _check(item, form[0], where, alphabet)
    elif not isinstance(form, Leaf) or not _fits(value, form, alphabet):
        raise TextError(f"{where} = {value!r} is wrong. Expected: {_expected(form)}.")


def _check_keys(value: dict[str, Any], form: dict[Any, Any], where: str, alphabet: str) -> None:
    row = next((key for key in form if isinstance(key, Leaf)), None)
    known = {key: form.get(row if row and _fits(key, row, alphabet) else key) for key in value}
    if unknown := [key for key, inner in known.items() if inner is None]:
        there = row.expected if row else ", ".join(form)
        raise TextError(f"{where}: there is no key {unknown[0]!r}. There are: {there}.")
    if missing := [key for key in form if key not in value and key != row]:
        raise TextError(f"{where}: {missing[0]} is missing. Expected: {_expected(form[missing[0]])}.")
    for key, inner in known.items():
        _check(value[key], inner, f"{where}, [{key}]" if isinstance(inner, dict) else f"{where}: {key}", alphabet)


def _fits(value: Any, leaf: Leaf, alphabet: str) -> bool:
    if callable(leaf.form):
        return leaf.form(value)
    return isinstance(value, str) and bool(re.fullmatch(leaf.form.replace("[A", f"[{alphabet}"), value, re.S))


def _expected(form: Any) -> str:
    if isinstance(form, Leaf):
        return form.expected
    if isinstance(form, list):
        return f"a list of {' '.join(map(str, form[1:]))} {_expected(form[0])}".replace("  ", " ")
    return "rows " + ", ".join(f"{key.expected if isinstance(key, Leaf) else key} = …" for key in form)
