"""A reading table with a fault is refused when it is loaded, by file, section and key; nothing is switched off."""

import copy
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.text import normalize, read_aloud
from kurdtts_lib.text.language import PATH, load_table
from kurdtts_lib.text.lexicon import Lexicon
from kurdtts_lib.text.table_checks import FORMS, RuleName, check_table
from tests.test_readings import SPOKEN

TABLE: dict[str, Any] = tomllib.loads(PATH.read_text(encoding="utf-8"))
SECTIONS = {"": FORMS} | {name: form for name, form in FORMS.items() if isinstance(form, dict)}


def refused(change: Callable[[dict[str, Any]], object], section: str = "") -> str:
    """What is said of the table after `change` of one of its sections."""
    table = copy.deepcopy(TABLE)
    change(table[section] if section else table)
    with pytest.raises(TextError) as caught:
        check_table(table, PATH)
    message = str(caught.value)
    assert message.startswith(f"{PATH}, [{section}]" if section else f"{PATH}")
    return message


@pytest.mark.parametrize("section", SECTIONS)
def test_a_key_that_is_deleted_or_misspelt_and_a_value_of_another_type_are_named(section: str) -> None:
    table = TABLE[section] if section else TABLE
    for key, value in table.items():
        if key in SECTIONS[section]:
            assert f"{key} is missing. Expected: " in refused(lambda table, key=key: table.pop(key), section)
            misspelt = refused(lambda table, key=key: table.update({f"{key}x": table.pop(key)}), section)
            assert f"there is no key '{key}x'. There are: " in misspelt
        for wrong in (3, True, [7], {"x": [1]}, *([] if isinstance(value, str) else ["a"])):
            message = refused(lambda table, key=key, wrong=wrong: table.update({key: wrong}), section)
            assert key in message and ("Expected: " in message or "There are: " in message)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("", "alphabet", "aab", "alphabet = 'aab' is wrong. Expected: small letters, each once."),
        ("", "vowels", "aω", "vowels = 'aω' is wrong. Expected: letters of the alphabet."),
        ("", "numbers", "a", "[numbers] = 'a' is wrong. Expected: rows joiner = …, minus = …"),
        ("numbers", "small", ["yek"] * 9, "Expected: a list of 20 words in the alphabet's small letters."),
        ("numbers", "tens", ["bîst"] * 9, "Expected: a list of 8 words"),
        ("numbers", "joiner", "", "joiner = '' is wrong."),
        ("numbers", "hundred", {"word": "sed"}, "one is missing."),
        ("numbers", "scales", [{"power": 6, "word": "milyon", "one": "milyon"}], "powers fall, and the last is 3"),
        ("numbers", "scales", [{"power": 3, "word": "hezar"}], "one is missing."),
        ("dates", "months", ["adara"] * 11, "a list of 12 words"),
        ("percent", "%", "ji sedî {nummer}", "small letters and {number}"),
        ("fractions", "part", "ji {whole}", "{whole} and {count}"),
        ("units", "km", "Kilometer", "km = 'Kilometer' is wrong."),
        ("pauses", ".", {"seconds": -1, "mark": "."}, "[.]: seconds = -1 is wrong. Expected: a number from 0 to 10."),
        ("pauses", ".", {"second": 0.3}, "no key 'second'. There are: seconds, mark."),
        ("digits", "٠١٢٣٤٥٦٧٨٩", "012345678", "Expected: as many digits."),
        ("names", "ω", "omega", "no key 'ω'. There are: a letter of the alphabet."),
        ("refused", "adress", "x", "no key 'adress'. There are: nothing to say, letter"),
        ("refused", "address", "(", "address = '(' is wrong. Expected: a regular expression."),
        ("letters", "ß", "ss", "ß = 'ss' is wrong. Expected: one letter of the alphabet."),
        ("script", "щ''", "c", "There are: one letter, perhaps with ' after it."),
    ],
)
def test_a_value_that_no_rule_could_read_with_is_named(section: str, key: str, value: object, message: str) -> None:
    assert message in refused(lambda table: table.update({key: value}), section)


def test_every_letter_has_a_name_and_a_misspelt_rule_does_not_switch_a_training_filter_off() -> None:
    assert "missing for ê" in refused(lambda names: names.pop("ê"), "names")
    message = refused(lambda table: table["uncertain"].append("acronim"))
    assert "uncertain = 'acronim' is wrong. Expected: names of rules: date, time" in message and "acronym" in message


def test_every_name_of_a_rule_is_used_and_no_other() -> None:
    lexicon = Lexicon({"wort": "peyv"}, {"YE": "ye e"})
    texts = [*(row.written for row in SPOKEN), "YE ŵ gotin[1] :)", "Roj baş 🙂", "roj\u200bbaş", "e\u0302", "wort"]
    changes = [change for text in texts for change in normalize(text, lexicon).changes]
    changes += read_aloud("www.rudaw.net").changes
    assert {name for change in changes for name in change.rule.split(", ")} == set(get_args(RuleName))
    # A word with letters of two kinds is uncertain if one of them is.
    (change,) = normalize("бğa", lexicon={}).uncertain()
    assert (change.before, change.rule) == ("бğ", "Cyrillic letters, foreign letter")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('half = "nîv"\nmin', 'hlaf = "nîv"\nmin', r"\[times\]: there is no key 'hlaf'. There are: half, minute"),
        ('alphabet = "', "alphabet = ", "cannot be read: .* line 9"),
    ],
)
def test_a_table_is_checked_when_it_is_loaded(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "kmr.toml"
    path.write_text(PATH.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TextError, match=f"{re.escape(str(path))}.*{message}"):
        load_table(path)
