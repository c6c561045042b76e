"""docs/text.md is true: its examples are what is said, and its sections, files and commands exist."""

import re
from pathlib import Path

import pytest

from kurdtts_lib.core.errors import TextError
from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.text import Language, load_language, normalize
from kurdtts_lib.text.language import TABLES
from kurdtts_lib.text.lexicon import _checked
from kurdtts_lib.text.table_checks import SECTIONS
from tests.test_readings import ROWS

DOCS = (REPOSITORY / "docs" / "text.md").read_text(encoding="utf-8")
TEXT = " ".join(DOCS.split())
KMR = (TABLES / "kmr.toml").read_text(encoding="utf-8")


def changed(folder: Path, pattern: str, replacement: str, encoding: str = "utf-8") -> Language:
    """Kurmanji's table after a change."""
    path = folder / "xyz.toml"
    text, count = re.subn(pattern, replacement, KMR, count=1, flags=re.MULTILINE | re.DOTALL)
    assert count == 1
    path.write_text(text, encoding=encoding)
    return load_language(str(path))


def said(text: str, language: Language | None = None) -> str:
    return normalize(text, language, lexicon={}).text


def test_the_table_of_examples_and_the_examples_in_the_text_are_what_is_said() -> None:
    table = re.findall(r"^\| `([^`\[]+)` \| `([^`]+)` \|$", DOCS, re.MULTILINE)
    examples = re.findall(r"(?<!refused, )`([^`\[]+)` is `([^`]+)`", TEXT)
    assert len(table) == 5 and len(examples) == 2
    assert [(written, said(written)) for written, _ in table + examples] == table + examples


def test_every_section_is_explained() -> None:
    rows = "".join(re.findall(r"^\| (`\[.*?) \|", DOCS, re.MULTILINE))
    assert set(re.findall(r"`\[(\w+)\]`", rows)) == SECTIONS


def test_without_a_section_a_text_is_read_as_it_says(tmp_path: Path) -> None:
    found = re.findall(r"without `\[(\w+)\]`, `([^`]+)` is (?:\*([^*]+)\*|refused)", TEXT)
    assert [section for section, _, _ in found] == ["percent", "units", "times"]
    for section, written, spoken in found:
        (tmp_path / section).mkdir()
        language = changed(tmp_path / section, rf"^\[{section}\].*?(?=^\[)", "")
        if spoken:
            assert said(written, language) == spoken
        else:
            with pytest.raises(TextError, match="There is no reading for '%'"):
                said(written, language)


def test_its_corrections_and_rows_can_be_written(tmp_path: Path) -> None:
    (written, spoken), *_ = re.findall(r"^    (\w+)\t([\w ]+)$", DOCS, re.MULTILINE)
    assert _checked(written, spoken) == ("fm", "ef em")
    section, row = re.findall(r'^    \[(\w+)\]\n    (".*)$', DOCS, re.MULTILINE)[0]
    assert said("5 kWh", changed(tmp_path, rf"^\[{section}\][^\n]*\n", rf"[{section}]\n{row}\n")) == "pênc kîlowat saet"


def test_an_editor_that_marks_utf8_and_another_word_for_twelve_are_fine(tmp_path: Path) -> None:
    assert said("12", changed(tmp_path, '"dazdeh"', '"danzdeh"', "utf-8-sig")) == "danzdeh"


def test_its_files_are_there_and_the_test_table_is_as_large_as_it_says() -> None:
    links = [REPOSITORY / "docs" / link for link in re.findall(r"\]\(([^)]+)\)", DOCS)]
    tests = [REPOSITORY / name for name in re.findall(r"start.py test (\S+?)`", TEXT)]
    assert len(links) == 3 and len(tests) == 2
    assert [path for path in links + tests if not path.is_file()] == []
    assert len(ROWS) > int(re.findall(r"more than (\d+) examples", TEXT)[0])
