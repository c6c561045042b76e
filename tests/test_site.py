"""The course as a web site: every page is there, and every link between them leads somewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from kurdtts_lib.core.settings import REPOSITORY


@pytest.mark.slow
def test_the_site_has_the_notebooks_the_pages_and_the_docstrings(tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "docs" / "site" / "build.py"), "--output", str(tmp_path)]
    built = subprocess.run([*command, str(REPOSITORY / "notebooks")], capture_output=True, encoding="utf-8")
    assert built.returncode == 0, built.stderr  # MkDocs is strict: a link that leads nowhere is an error
    pages = {"notebooks/04_vits_fine_tuning": "The generator learns", "api/feedback": "word_changes"}
    for page, said in (pages | {"docs/glossary": "hop_length"}).items():
        assert said in (tmp_path / "site" / page / "index.html").read_text(encoding="utf-8")
    missing = subprocess.run([*command, str(tmp_path)], capture_output=True, encoding="utf-8")
    assert missing.returncode == 1 and "04_vits_fine_tuning.ipynb" in missing.stderr
