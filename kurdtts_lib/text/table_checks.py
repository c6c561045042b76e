"""Form of the reading table. All of it is checked when the table is loaded, not at the first sentence."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from kurdtts_lib.core.errors import TextError, TextReason

RuleName = Literal[
    "date", "time", "phone number", "percent", "currency", "fraction", "unit", "Roman numeral", "range", "ordinal",
    "number", "negative number", "decimal number", "digit by digit", "symbol", "abbreviation", "initial", "acronym",
    "foreign letter", "apostrophe", "lower case", "Unicode form", "your lexicon", "mark",
    "spaces", "invisible character", "symbol left out",
]  # fmt: skip
"""The rules that change a text, as `TextChange.rule` names them. The letters of the `[script]` have their own name."""

Form = str | list | dict | Callable[[Any], bool]
"""What a value looks like. A text: a regular expression, in which A is the alphabet. A list: [form of each item], or
[form, how many]. A table: the form of each key. Anything else: a function."""
WORDS, LETTER, TEXT = "[A '-]+", "(?i:[A])", ".*"
SPOKEN = "words in the alphabet's small letters"
SUFFIX = 'an ending in the alphabet\'s small letters, "" for none'


class Kind(NamedTuple):
    """The values that a key, or the rows of a section, may have."""

    form: Form
    expected: str
    key: str = ""
    """Of rows: what their key looks like."""


def _is_alphabet(value: Any) -> bool:
    return isinstance(value, str) and value.isalpha() and value.islower() and len(set(value)) == len(value)


def _is_pattern(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


def _is_power(value: Any) -> bool:
    return type(value) is int and value >= 3


def _is_pause(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 10


def _are_letters(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(i, str) and len(i) == 1 for pair in value.items() for i in pair)


def _spoken(count: int) -> Kind:
    return Kind([WORDS, count], f"a list of {count} {SPOKEN}")


WRITTEN = Kind([r".*\S.*"], "a list of words, as they are written")
ENDING = Kind("[A]*", SUFFIX)
SPOKEN_WORDS = Kind(WORDS, SPOKEN)
SIGN_OR_WORD = Kind(WORDS, f"a sign or word = {SPOKEN}", r".*\S.*")
NUMBER, WHOLE, COUNT = (rf"\{{{name}\}}" for name in ("number", "whole", "count"))
ANY = "[A '-]*"

KEYS: dict[str, dict[str, Kind]] = {
    "": {
        "alphabet": Kind(_is_alphabet, "small letters, each once"),
        "vowels": Kind("[A]+", "letters of the alphabet"),
        "joined_marks": Kind(TEXT, 'a text between "'),
        "uncertain": Kind([TEXT], "a list of rules"),
    },
    "apostrophes": {"signs": Kind(TEXT, 'a text between "')},
    "script": {"name": Kind(TEXT, 'a text between "')},
    "silent": {"signs": Kind(TEXT, 'a text between "')},
    "numbers": {
        **dict.fromkeys(("joiner", "minus", "decimal"), SPOKEN_WORDS),
        "small": _spoken(20),
        "tens": _spoken(8),
        "hundred": Kind({"word": WORDS, "one": WORDS}, "{word = …, one = …}"),
        "scales": Kind(
            [{"power": _is_power, "word": WORDS, "one": WORDS}],
            "a list of {power = …, word = …, one = …}; the powers fall, and the last is 3",
        ),
        "decimal_sign": Kind("[,.]", '"," or "."'),
        "thousands_sign": Kind(".?", 'one sign, "" for none'),
    },
    "suffixes": {
        "endings": Kind([WORDS], f"a list of {SPOKEN}"),
        "glide": ENDING,
        "shortened": Kind(_are_letters, "letters for letters, such as {î = i}"),
        "ordinal": ENDING,
    },
    "dates": {"months": _spoken(12), "day": ENDING, "year": ENDING},
    "times": {"half": SPOKEN_WORDS, "words": WRITTEN},
    "fractions": {
        "half": SPOKEN_WORDS,
        "quarter": SPOKEN_WORDS,
        "part": Kind(
            f"{ANY}({WHOLE}{ANY}{COUNT}|{COUNT}{ANY}{WHOLE}){ANY}", "words in small letters around {whole} and {count}"
        ),
        "whole_suffix": ENDING,
    },
    "percent": {
        "signs": Kind(".+", "signs"),
        "reading": Kind(f"{ANY}{NUMBER}{ANY}", "words in small letters around {number}"),
    },
    "endings": {"words": WRITTEN},
    "acronyms": {"spelled": WRITTEN},
    "roman": {"century_suffix": ENDING, "centuries": WRITTEN, "rulers": WRITTEN},
}
ROWS: dict[str, Kind] = {
    "letters": Kind(LETTER, "one letter = one letter of the alphabet", "."),
    "script": Kind(LETTER, "one letter, perhaps with ' after it = one letter of the alphabet", ".'?"),
    "digits": Kind("[0-9]+", "digits = the same digits from 0 to 9", ".+"),
    "pauses": Kind({"seconds": _is_pause}, "one mark = {seconds = …}, from 0 to 10", "."),
    **dict.fromkeys(("currency", "units", "symbols", "abbreviations", "titles"), SIGN_OR_WORD),
    "names": Kind(WORDS, "a letter of the alphabet = its name", "[A]"),
    "refused": Kind(
        _is_pattern, f"one of {', '.join(map(repr, TextReason))} = a regular expression", "|".join(TextReason)
    ),
}
SECTIONS = sorted({*KEYS, *ROWS} - {""})


def check_table(table: dict[str, Any], path: Path) -> None:
    """Raise TextError, with file, section, key and what is expected, if `table` is invalid."""
    alphabet = str(table.get("alphabet", ""))
    # The keys outside sections come first: the other checks need the alphabet.
    plain = {key: value for key, value in table.items() if key not in SECTIONS}
    _check_section(plain, "", f"{path}", alphabet)
    for section in SECTIONS:
        where = f"{path}, [{section}]"
        if not isinstance(table.get(section), dict):
            raise TextError(f"{where}: this section is missing, or it is no section. Write [{section}].")
        _check_section(table[section], section, where, alphabet)
    powers = [row["power"] for row in table["numbers"]["scales"]]
    if sorted({*powers, 3}, reverse=True) != powers:
        raise TextError(f"{path}, [numbers]: scales: {powers} is wrong. Expected: the powers fall, and the last is 3.")
    for signs, digits in table["digits"].items():
        if len(signs) != len(digits):
            raise TextError(f"{path}, [digits]: the row {signs!r} = {digits!r} is wrong. Expected: as many digits.")
    if missing := set(alphabet) - table["names"].keys():
        raise TextError(f"{path}, [names]: a row is missing for {', '.join(sorted(missing))}. Expected: all letters.")
    # A misspelt rule in `uncertain` would let uncertain readings into the training.
    known = [*get_args(RuleName), f"{table['script']['name']} letters"]
    if unknown := [name for name in table["uncertain"] if name not in known]:
        raise TextError(f"{path}: uncertain = {unknown!r}: there is no such rule. There are: {', '.join(known)}.")


def _check_section(found: dict[str, Any], section: str, where: str, alphabet: str) -> None:
    """Raise TextError unless all keys of the section are present and valid, and all other keys are valid rows."""
    keys, row = KEYS.get(section, {}), ROWS.get(section)
    for key, value in found.items():
        if key not in keys and row is None:
            there = [*keys, *([] if section else SECTIONS)]
            raise TextError(f"{where}: there is no key {key!r}. There are: {', '.join(there)}.")
        if key not in keys and row and not (_fits(key, row.key, alphabet) and _fits(value, row.form, alphabet)):
            raise TextError(f"{where}: the row {key!r} = {value!r} is wrong. Expected: {row.expected}.")
    for key, kind in keys.items():
        if key not in found:
            raise TextError(f"{where}: the key {key!r} is missing. Expected: {kind.expected}.")
        if not _fits(found[key], kind.form, alphabet):
            raise TextError(f"{where}: {key} = {found[key]!r} is wrong. Expected: {kind.expected}.")


def _fits(value: Any, form: Form, alphabet: str) -> bool:
    if isinstance(form, str):
        return isinstance(value, str) and bool(re.fullmatch(form.replace("[A", f"[{alphabet}"), value, re.S))
    if isinstance(form, list):
        item, *count = form
        fitting = isinstance(value, list) and all(_fits(one, item, alphabet) for one in value)
        return fitting and count in ([], [len(value)])
    if isinstance(form, dict):
        keys = isinstance(value, dict) and value.keys() == form.keys()
        return keys and all(_fits(value[key], form[key], alphabet) for key in form)
    return form(value)
