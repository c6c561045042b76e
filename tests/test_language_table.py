"""A reading table with a fault is refused when it is loaded, by file, section and key; nothing is switched off."""

import copy
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import load_language, normalize
from kurdtts_lib.text.language import TABLES
from kurdtts_lib.text.table_checks import KEYS, PLAIN, ROWS, SECTIONS, RuleName, check_table
from tests.test_readings import SPOKEN

PATH = TABLES / "kmr.toml"
TABLE: dict[str, Any] = tomllib.loads(PATH.read_text(encoding="utf-8"))
SINGLE = [("", key) for key in PLAIN] + [(section, key) for section in KEYS for key in KEYS[section]]
ROW = [(section, key) for section in ROWS for key in TABLE[section] if key not in KEYS.get(section, {})]


def refused(change: Callable[[dict[str, Any]], object], section: str = "") -> str:
    """What is said of Kurmanji's table after `change` of one of its sections."""
    table = copy.deepcopy(TABLE)
    change(table[section] if section else table)
    with pytest.raises(TextError) as caught:
        check_table(table, PATH)
    message = str(caught.value)
    assert message.startswith(f"{PATH}, [{section}]: " if section else f"{PATH}: ")
    return message


def test_the_tables_of_the_course_are_whole_and_use_every_section_and_key() -> None:
    check_table(TABLE, PATH)
    assert set(TABLE) == SECTIONS | PLAIN.keys()


@pytest.mark.parametrize(("section", "key"), SINGLE)
def test_a_key_that_is_deleted_misspelt_or_of_another_type_is_named(section: str, key: str) -> None:
    value = (TABLE[section] if section else TABLE)[key]

    assert f"the key {key!r} is missing. Expected: " in refused(lambda table: table.pop(key), section)

    def misspell(table: dict[str, Any]) -> None:
        table[f"{key}x"] = table.pop(key)

    assert repr(f"{key}x") in refused(misspell, section)
    for wrong in (3, True, [7], {"x": [1]}, *([] if isinstance(value, str) else ["a"])):
        message = refused(lambda table, wrong=wrong: table.update({key: wrong}), section)
        assert f"{key} = {wrong!r} is wrong. Expected: " in message


@pytest.mark.parametrize("section", ROWS)
def test_a_row_of_another_type_is_named(section: str) -> None:
    for key in [key for named, key in ROW if named == section]:
        for wrong in (3, True, ["a"], {"x": 1}, "Ω("):
            message = refused(lambda table, key=key, wrong=wrong: table.update({key: wrong}), section)
            assert f"the row {key!r} = {wrong!r} is wrong. Expected: " in message


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_a_section_that_is_misspelt_or_no_section_is_named(section: str) -> None:
    assert repr(f"{section}x") in refused(lambda table: table.update({f"{section}x": table.pop(section)}))
    table = {**TABLE, section: "a"}
    with pytest.raises(TextError, match=re.escape(f"{PATH}, [{section}]: ")):
        check_table(table, PATH)


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
    assert "Cyrillic letters" in refused(lambda table: table.pop("script"))  # it names the rule of that section


def test_every_name_of_a_rule_is_used_and_no_other() -> None:
    texts = [*(row.written for row in SPOKEN), "Roj baş 🙂", "roj\u200bbaş", "e\u0302", "wort"]
    changes = [change for text in texts for change in normalize(text, lexicon={"wort": "peyv"}).changes]
    assert {name for change in changes for name in change.rule.split(", ")} == {*get_args(RuleName), "Cyrillic letters"}


def test_a_word_with_letters_of_two_kinds_is_uncertain_if_one_of_them_is() -> None:
    (change,) = normalize("бğa", lexicon={}).uncertain()
    assert (change.before, change.rule) == ("бğ", "Cyrillic letters, foreign letter")


def test_a_table_is_checked_when_it_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "xyz.toml"
    text = PATH.read_text(encoding="utf-8").replace('half = "nîv"\nwords', 'hlaf = "nîv"\nwords')
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TextError, match=r"xyz.toml, \[times\]: there is no key 'hlaf'. There are: half, words"):
        load_language(str(path))
