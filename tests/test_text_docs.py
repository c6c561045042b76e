"""docs/text.md is true: its examples are what is said, and its sections, files and commands exist."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.text import normalize
from kurdtts_lib.text.language import PATH
from kurdtts_lib.text.lexicon import _checked
from kurdtts_lib.text.table_checks import FORMS
from tests.test_readings import ROWS

DOCS = (REPOSITORY / "docs" / "text.md").read_text(encoding="utf-8")
TEXT = " ".join(DOCS.split())


def test_the_table_of_examples_and_the_examples_in_the_text_are_what_is_said() -> None:
    table = re.findall(r"^\| `([^`\[]+)` \| `([^`]+)` \|$", DOCS, re.MULTILINE)
    examples = re.findall(r"(?<!refused, )`([^`\[]+)` is `([^`]+)`", TEXT)
    assert len(table) == 8 and len(examples) == 2
    assert [(written, normalize(written, lexicon={}).text) for written, _ in table + examples] == table + examples


def test_every_section_is_explained() -> None:
    rows = "".join(re.findall(r"^\| (`\[.*?) \|", DOCS, re.MULTILINE))
    assert sorted(re.findall(r"`\[(\w+)\]`", rows)) == sorted(
        name for name, form in FORMS.items() if isinstance(form, dict)
    )


def test_a_reader_can_write_its_correction_and_its_rows_in_an_editor_that_marks_utf8(tmp_path: Path) -> None:
    (written, spoken), *_ = re.findall(r"^    (\w+)\t([\w ]+)$", DOCS, re.MULTILINE)
    assert _checked(written, spoken) == ("FM", "ef em")
    section, row = re.findall(r'^    \[(\w+)\]\n    (".*)$', DOCS, re.MULTILINE)[0]
    shutil.copytree(REPOSITORY / "kurdtts_lib", tmp_path / "kurdtts_lib", ignore=shutil.ignore_patterns("__pycache__"))
    table = tmp_path / PATH.relative_to(REPOSITORY)
    text = table.read_text(encoding="utf-8").replace('"dazdeh"', '"danzdeh"')
    table.write_text(re.sub(rf"^\[{section}\].*", rf"[{section}]\n{row}", text, flags=re.M), encoding="utf-8-sig")
    program = "from kurdtts_lib.text import normalize; print(normalize('12 nmi', lexicon={}).text)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONUTF8": "1"}
    said = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, check=True
    )
    assert said.stdout.decode().strip() == "danzdeh mîla behrê"


def test_its_files_are_there_and_the_test_table_is_as_large_as_it_says() -> None:
    links = [REPOSITORY / "docs" / link for link in re.findall(r"\]\(([^)]+)\)", DOCS)]
    tests = [REPOSITORY / name for name in re.findall(r"start.py test (\S+?)`", TEXT)]
    assert len(links) == 5 and len(tests) == 2
    assert [path for path in links + tests if not path.is_file()] == []
    assert len(ROWS) >= int(re.findall(r"holds (\d+) examples", TEXT)[0])
