"""Schema of a language's reading table. All of it is checked when the table is loaded, not at the first sentence."""

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
"""The rules that change a text, as `TextChange.rule` names them. The letters of a `[script]` have their own name."""


class Kind(NamedTuple):
    """The values that a key may have. fits(value, alphabet): whether this is one of them."""

    fits: Callable[[Any, str], bool]
    expected: str


class Row(NamedTuple):
    """The rows that a section may have. fits(key, value, alphabet): whether this is one of them."""

    fits: Callable[[str, Any, str], bool]
    expected: str


def _is_spoken(value: Any, alphabet: str) -> bool:
    return isinstance(value, str) and value != "" and set(value) <= {*alphabet, *" -'"}


def _is_suffix(value: Any, alphabet: str) -> bool:
    return isinstance(value, str) and set(value) <= set(alphabet)


def _is_letter(value: Any, alphabet: str) -> bool:
    return isinstance(value, str) and len(value) == 1 and value.lower() in alphabet


def _is_alphabet(value: Any, _: str) -> bool:
    return isinstance(value, str) and value.isalpha() and value.islower() and len(set(value)) == len(value)


def _is_text(value: Any, _: str = "") -> bool:
    return isinstance(value, str)


def _are_written(value: Any, _: str) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) and word.strip() for word in value)


def _are_spoken(value: Any, alphabet: str) -> bool:
    return isinstance(value, list) and all(_is_spoken(word, alphabet) for word in value)


def _spoken_list(*lengths: int) -> Kind:
    expected = f"a list of {' or '.join(map(str, lengths))} words in the alphabet's small letters"
    return Kind(lambda value, alphabet: _are_spoken(value, alphabet) and len(value) in lengths, expected)


def _template(*names: str) -> Kind:
    def fits(value: Any, alphabet: str) -> bool:
        parts = re.split(r"\{(\w+)\}", value) if isinstance(value, str) else []
        return sorted(parts[1::2]) == sorted(names) and all(_is_spoken(part, alphabet) for part in parts[::2] if part)

    return Kind(fits, "words in small letters around " + " and ".join(f"{{{name}}}" for name in names))


def _is_hundred(value: Any, alphabet: str) -> bool:
    return isinstance(value, dict) and value.keys() == {"word", "one"} and _are_spoken([*value.values()], alphabet)


def _are_scales(value: Any, alphabet: str) -> bool:
    if not isinstance(value, list) or not all(isinstance(row, dict) and "power" in row for row in value):
        return False
    powers = [row["power"] for row in value]
    falling = all(type(power) is int for power in powers) and sorted({*powers, 3}, reverse=True) == powers
    names = [{key: word for key, word in row.items() if key != "power"} for row in value]
    return falling and all(_is_hundred(name, alphabet) for name in names)


def _are_letter_pairs(value: Any, alphabet: str) -> bool:
    return isinstance(value, dict) and all(_is_letter(letter, alphabet) for pair in value.items() for letter in pair)


def _is_pause(key: str, value: Any, _: str) -> bool:
    seconds = value.get("seconds") if isinstance(value, dict) and len(value) == 1 else None
    if len(key) != 1 or isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return False
    return 0 <= seconds <= 10


def _is_refusal(key: str, value: Any, _: str) -> bool:
    try:
        return key in list(TextReason) and isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


TEXT = Kind(_is_text, 'a text between "')
SPOKEN = Kind(_is_spoken, "words in the alphabet's small letters")
SPOKEN_WORDS = Kind(_are_spoken, "a list of words in the alphabet's small letters")
WRITTEN_WORDS = Kind(_are_written, "a list of words, as they are written")
SUFFIX = Kind(_is_suffix, 'an ending in the alphabet\'s small letters, "" for none')
UNCERTAIN = Kind(_are_written, "a list of rules")
READING = _template("number")
PLAIN = {
    "alphabet": Kind(_is_alphabet, "small letters, each once"),
    "vowels": Kind(lambda value, alphabet: _is_suffix(value, alphabet) and value != "", "letters of the alphabet"),
    "joined_marks": TEXT,
    "uncertain": UNCERTAIN,
}
KEYS: dict[str, dict[str, Kind]] = {
    "apostrophes": {"signs": TEXT},
    "script": {"name": TEXT},
    "silent": {"signs": TEXT},
    "numbers": {
        **dict.fromkeys(("joiner", "minus", "decimal"), SPOKEN),
        "small": _spoken_list(10, 20),
        "tens": _spoken_list(8, 9),
        "hundred": Kind(_is_hundred, "{word = …, one = …}"),
        "scales": Kind(_are_scales, "a list of {power = …, word = …, one = …}; the powers fall, and the last is 3"),
        "decimal_sign": Kind(lambda value, _: value in (",", "."), '"," or "."'),
        "thousands_sign": Kind(lambda value, _: _is_text(value) and len(value) <= 1, 'one sign, "" for none'),
    },
    "suffixes": {
        "endings": SPOKEN_WORDS,
        "glide": SUFFIX,
        "shortened": Kind(_are_letter_pairs, "letters for letters, such as {î = i}"),
        "ordinal": SUFFIX,
    },
    "dates": {"months": _spoken_list(12), "day": SUFFIX, "year": SUFFIX},
    "times": {"half": SPOKEN, "words": WRITTEN_WORDS},
    "fractions": {"half": SPOKEN, "quarter": SPOKEN, "part": _template("whole", "count"), "whole_suffix": SUFFIX},
    "percent": {"signs": Kind(lambda value, _: _is_text(value) and value != "", "signs"), "reading": READING},
    "endings": {"words": WRITTEN_WORDS},
    "acronyms": {"spelled": WRITTEN_WORDS},
    "roman": {"century_suffix": SUFFIX, "centuries": WRITTEN_WORDS, "rulers": WRITTEN_WORDS},
}
WORDS = Row(
    lambda key, value, alphabet: key.strip() != "" and _is_spoken(value, alphabet),
    f"a sign or word = {SPOKEN.expected}",
)
ROWS: dict[str, Row] = {
    "letters": Row(
        lambda key, value, alphabet: len(key) == 1 and _is_letter(value, alphabet),
        "one letter = one letter of the alphabet",
    ),
    "script": Row(
        lambda key, value, alphabet: len(key.removesuffix("'")) == 1 and _is_letter(value, alphabet),
        "one letter, perhaps with ' after it = one letter of the alphabet",
    ),
    "digits": Row(
        lambda key, value, _: _is_text(value) and value.isascii() and value.isdecimal() and len(key) == len(value),
        "digits = the same digits from 0 to 9",
    ),
    "pauses": Row(_is_pause, "one mark = {seconds = …}, from 0 to 10"),
    **dict.fromkeys(("currency", "units", "symbols", "abbreviations", "titles"), WORDS),
    "names": Row(
        lambda key, value, alphabet: len(key) == 1 and key in alphabet and _is_spoken(value, alphabet),
        "a letter of the alphabet = its name",
    ),
    "refused": Row(_is_refusal, f"one of {', '.join(map(repr, TextReason))} = a regular expression"),
}
SECTIONS = frozenset({**KEYS, **ROWS})
"""A section that a table lacks switches its rule off: its text is then refused or read by other rules."""


def check_table(table: dict[str, Any], path: Path) -> None:
    """Raise TextError, with file, section, key and what is expected, if `table` is invalid."""
    plain = {key: value for key, value in table.items() if key not in SECTIONS}
    # The alphabet comes first: the other checks depend on it.
    _check_keys(plain, PLAIN, None, str(plain.get("alphabet", "")), f"{path}", SECTIONS)
    for section in SECTIONS & table.keys():
        where = f"{path}, [{section}]"
        if not isinstance(table[section], dict):
            raise TextError(f"{where}: this name is one of a section, not {table[section]!r}. Write [{section}].")
        _check_keys(table[section], KEYS.get(section, {}), ROWS.get(section), table["alphabet"], where)
    _check_complete(table, path)
    _check_rules(table, path)


def _check_keys(
    found: dict[str, Any],
    keys: dict[str, Kind],
    row: Row | None,
    alphabet: str,
    where: str,
    sections: frozenset[str] = frozenset(),
) -> None:
    """Raise TextError unless all `keys` are present and valid, and all other keys are valid rows."""
    for key, value in found.items():
        if key not in keys and row is None:
            raise TextError(f"{where}: there is no key {key!r}. There are: {', '.join([*keys, *sorted(sections)])}.")
        if key not in keys and row and not row.fits(key, value, alphabet):
            raise TextError(f"{where}: the row {key!r} = {value!r} is wrong. Expected: {row.expected}.")
    for key, kind in keys.items():
        if key not in found:
            raise TextError(f"{where}: the key {key!r} is missing. Expected: {kind.expected}.")
        if not kind.fits(found[key], alphabet):
            raise TextError(f"{where}: {key} = {found[key]!r} is wrong. Expected: {kind.expected}.")


def _check_complete(table: dict[str, Any], path: Path) -> None:
    """Raise TextError unless `tens` continues `small`, and every letter of the alphabet has a name."""
    numbers, names = table.get("numbers"), table.get("names")
    if numbers and len(numbers["small"]) + 10 * len(numbers["tens"]) != 100:
        raise TextError(f"{path}, [numbers]: `tens` must begin where `small` ends: 10 and 9 words, or 20 and 8.")
    if names and (missing := set(table["alphabet"]) - names.keys()):
        raise TextError(f"{path}, [names]: a row is missing for {', '.join(sorted(missing))}. Expected: all letters.")


def _check_rules(table: dict[str, Any], path: Path) -> None:
    """`uncertain` must name existing rules: a misspelt one would let uncertain readings into the training."""
    script = [f"{table['script']['name']} letters"] if table.get("script") else []
    known = [*get_args(RuleName), *script]
    if unknown := [name for name in table["uncertain"] if name not in known]:
        raise TextError(f"{path}: uncertain = {unknown!r}: there is no such rule. There are: {', '.join(known)}.")
