"""Form of the reading table. All of it is checked when the table is loaded, not at the first sentence."""

import re
import tomllib
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from kurdtts_lib.core.errors import TextError, TextReason

RuleName = Literal[
    "date", "time", "phone number", "percent", "currency", "fraction", "unit", "Roman numeral", "range", "ordinal",
    "number", "negative number", "decimal number", "digit by digit", "symbol", "abbreviation", "initial", "acronym",
    "foreign letter", "foreign mark", "Cyrillic letters", "apostrophe", "lower case", "your lexicon",
    "list of words", "degrees", "power", "tag", "letter name", "address", "footnote mark",
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


def _number(least: float, most: float, kind: type, expected: str) -> Leaf:
    return Leaf(lambda value: type(value) in (int, kind) and least <= value <= most, expected)


VALUES = {
    "ALPHABET": Leaf(
        lambda text: isinstance(text, str) and text.isalpha() and text.islower() and len({*text}) == len(text),
        "small letters, each once",
    ),
    "RULE": Leaf("|".join(get_args(RuleName)), f"names of rules: {', '.join(get_args(RuleName))}"),
    "REASON": Leaf("|".join(TextReason), ", ".join(TextReason)),
    "POWER": _number(3, inf, int, "a whole number from 3 up"),
    "YEAR": _number(10, 99, int, "a number from 10 to 99"),
    "PAUSE": _number(0, 10, float, "a number from 0 to 10"),
    "PATTERN": Leaf(_is_pattern, "a regular expression"),
    "ROW": Leaf(lambda value: _is_pattern(value) and not re.compile(value).groups, "a regular expression, no groups"),
}
"""The single values that `languages/form.toml` does not define itself."""


def _forms(path: Path) -> dict[str, Any]:
    rows = tomllib.loads(path.read_text(encoding="utf-8"))
    values = VALUES | {name: Leaf(*row) for name, row in rows.pop("VALUES").items()}

    def form(row: Any) -> Any:
        if isinstance(row, dict):
            return {values.get(key, key): form(inner) for key, inner in row.items()}
        return [form(row[0]), *row[1:]] if isinstance(row, list) else values[row]

    return form(rows)


FORMS = _forms(Path(__file__).parent / "languages" / "form.toml")
"""The form of each key and section. A list: [form of each item], or [form, how many]. A `Leaf` as a key: any row."""


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
