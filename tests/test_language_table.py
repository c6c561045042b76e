"""A reading table with a fault is refused when it is loaded, by file, section and key; nothing is switched off."""

import copy
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import normalize
from kurdtts_lib.text.language import PATH, load_table
from kurdtts_lib.text.table_checks import KEYS, ROWS, SECTIONS, RuleName, check_table
from tests.test_readings import SPOKEN

TABLE: dict[str, Any] = tomllib.loads(PATH.read_text(encoding="utf-8"))


def refused(change: Callable[[dict[str, Any]], object], section: str = "") -> str:
    """What is said of the table after `change` of one of its sections."""
    table = copy.deepcopy(TABLE)
    change(table[section] if section else table)
    with pytest.raises(TextError) as caught:
        check_table(table, PATH)
    message = str(caught.value)
    assert message.startswith(f"{PATH}, [{section}]: " if section else f"{PATH}")
    return message


def misspell(table: dict[str, Any], key: str) -> None:
    table[f"{key}x"] = table.pop(key)


@pytest.mark.parametrize(("section", "key"), [(section, key) for section, keys in KEYS.items() for key in keys])
def test_a_key_that_is_deleted_misspelt_or_of_another_type_is_named(section: str, key: str) -> None:
    value = (TABLE[section] if section else TABLE)[key]
    assert f"the key {key!r} is missing. Expected: " in refused(lambda table: table.pop(key), section)
    assert repr(f"{key}x") in refused(lambda table: misspell(table, key), section)
    for wrong in (3, True, [7], {"x": [1]}, *([] if isinstance(value, str) else ["a"])):
        message = refused(lambda table, wrong=wrong: table.update({key: wrong}), section)
        assert f"{key} = {wrong!r} is wrong. Expected: " in message


@pytest.mark.parametrize("section", ROWS)
def test_a_row_of_another_type_is_named(section: str) -> None:
    for key in TABLE[section].keys() - KEYS.get(section, {}).keys():
        for wrong in (3, True, ["a"], {"x": 1}, "Ω("):
            message = refused(lambda table, key=key, wrong=wrong: table.update({key: wrong}), section)
            assert f"the row {key!r} = {wrong!r} is wrong. Expected: " in message


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_that_is_missing_misspelt_or_no_section_is_named(section: str) -> None:
    assert repr(f"{section}x") in refused(lambda table: misspell(table, section))
    for change in (lambda table: table.pop(section), lambda table: table.update({section: "a"})):
        assert refused(change).startswith(f"{PATH}, [{section}]: this section is missing")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("", "alphabet", "aab"),
        ("", "vowels", "aω"),
        ("numbers", "small", ["yek"] * 9),
        ("numbers", "tens", ["bîst"] * 9),
        ("numbers", "joiner", ""),
        ("numbers", "hundred", {"word": "sed"}),
        ("numbers", "scales", [{"power": 6, "word": "milyon", "one": "milyon"}]),
        ("numbers", "scales", [{"power": 3, "word": "hezar"}]),
        ("dates", "months", ["adara"] * 11),
        ("percent", "reading", "ji sedî {nummer}"),
        ("fractions", "part", "ji {whole}"),
        ("units", "km", "Kilometer"),
        ("pauses", ".", {"seconds": -1}),
        ("pauses", ".", {"second": 0.3}),
        ("digits", "٠١٢٣٤٥٦٧٨٩", "012345678"),
        ("names", "ω", "omega"),
        ("refused", "adress", "x"),
        ("refused", "address", "("),
        ("letters", "ß", "ss"),
        ("script", "щ''", "c"),
    ],
)
def test_a_value_that_no_rule_could_read_with_is_named(section: str, key: str, value: object) -> None:
    assert key in refused(lambda table: table.update({key: value}), section)


def test_every_letter_has_a_name() -> None:
    assert "missing for ê" in refused(lambda names: names.pop("ê"), "names")


def test_a_misspelt_rule_does_not_switch_a_training_filter_off() -> None:
    message = refused(lambda table: table["uncertain"].append("acronim"))
    assert "['acronim']: there is no such rule. There are: date, time" in message and "acronym" in message
    assert "Cyrillic letters" in refused(lambda table: table["script"].update(name="Greek"))  # its rule's name


def test_every_name_of_a_rule_is_used_and_no_other() -> None:
    texts = [*(row.written for row in SPOKEN), "Roj baş 🙂", "roj\u200bbaş", "e\u0302", "wort"]
    changes = [change for text in texts for change in normalize(text, lexicon={"wort": "peyv"}).changes]
    assert {name for change in changes for name in change.rule.split(", ")} == {*get_args(RuleName), "Cyrillic letters"}


def test_a_word_with_letters_of_two_kinds_is_uncertain_if_one_of_them_is() -> None:
    (change,) = normalize("бğa", lexicon={}).uncertain()
    assert (change.before, change.rule) == ("бğ", "Cyrillic letters, foreign letter")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('half = "nîv"\nwords', 'hlaf = "nîv"\nwords', r"\[times\]: there is no key 'hlaf'. There are: half, words"),
        ('alphabet = "', "alphabet = ", "cannot be read: .* line 6"),
    ],
)
def test_a_table_is_checked_when_it_is_loaded(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "kmr.toml"
    path.write_text(PATH.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TextError, match=f"{re.escape(str(path))}.*{message}"):
        load_table(path)
