"""The course runner leaves a record of every notebook, also of one that fails."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from kurdtts_lib.cli import course
from kurdtts_lib.core.files import write_json
from kurdtts_lib.core.settings import REPOSITORY


def notebook(path: Path, *cells: str) -> Path:
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_markdown_cell("# Title\n## First step")]
    book.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    path.write_text(nbformat.writes(book), encoding="utf-8")
    return path


def test_executed_notebook_is_kept_as_ipynb_and_html(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = notebook(tmp_path / "01_a.ipynb", "print('roj' + ' baş')")
    course.run_notebook(source, tmp_path / "out" / "01_a.ipynb")
    executed = nbformat.read(tmp_path / "out" / "01_a.ipynb", as_version=4)
    assert executed.cells[1].outputs[0].text == "roj baş\n"
    assert "roj baş" in (tmp_path / "out" / "01_a.html").read_text(encoding="utf-8")
    printed = capsys.readouterr()
    assert "01_a  1 cells in" in printed.out and "\r" not in printed.out + printed.err, "no bar in a file"


def test_failing_cell_is_raised_and_what_ran_before_is_kept(tmp_path: Path) -> None:
    source = notebook(tmp_path / "01_a.ipynb", "print('before')", "assert 1 == 2", "print('never')")
    with pytest.raises(CellExecutionError, match="assert 1 == 2"):
        course.run_notebook(source, tmp_path / "out" / "01_a.ipynb")
    executed = nbformat.read(tmp_path / "out" / "01_a.ipynb", as_version=4)
    assert executed.cells[1].outputs[0].text == "before\n"
    assert executed.cells[3].outputs == []


def test_summary_shows_what_the_training_and_the_corrections_did(home: Path) -> None:
    def write(folder: str, card: dict) -> None:
        write_json(home / "models" / folder / "voice.json", card)
        (home / "models" / folder / "model.safetensors").touch()

    before, after = ({name: base + i for i, name in enumerate(course.SHOWN)} for base in (10.25, 2.5))
    card = {"steps": 7, "training_clips": 90, "test_clips": 11, "before": before, "after": after}
    write(
        "voice-0001-sample",
        card | {"likeness_baselines": {"same_voice": 0, "other_voices": None}, "faults": ["It hums."]},
    )
    assert "WORSE THAN ITS BASE VOICE: It hums." in course.summary(home)
    write("voice-0001-sample", card | {"likeness_baselines": {"same_voice": 0.05, "other_voices": 1.61}})
    text = course.summary(home)
    for shown in ("10.25", "2.50", "0.05", "1.61", "7 steps on 90 clips", "11 sentences", "samples", "start.py lab"):
        assert shown in text
    assert "corrections" not in text and "It breaks no limit." in text
    learned = {"data": "10 corrections", "held_out": {"before": 1.33, "after": 1.23}}
    write("voice-0002-sample", learned | {"elsewhere": {"before": 0.86, "after": 0.88}, "faults": ["It whispers."]})
    text = course.summary(home)
    assert "10 corrections and became voice-0002-sample" in text and "7 steps on 90 clips" in text
    assert re.search(r"did not learn from +1\.33 +1\.23\n  ordinary sentences +0\.86 +0\.88\n", text)
    assert "A FAULT OF THE NEW VOICE: It whispers." in text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one child process")
def test_ctrl_c_ends_with_one_line_and_no_traceback() -> None:
    script = "import time; from kurdtts_lib.cli.course import interruptible\n"
    script += "raise SystemExit(interruptible(lambda: print('begun', flush=True) or time.sleep(3600)))"
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert child.stdout is not None and child.stdout.readline() == "begun\n"
    child.send_signal(signal.SIGINT)
    printed, complaints = child.communicate(timeout=600)
    assert (child.returncode, complaints) == (130, "")
    assert "Stopped." in printed


def test_notebooks_on_recordings_do_not_wait_for_torch() -> None:
    """It takes ten seconds to import, and nothing in the first three notebooks computes with it."""
    notebooks = [nbformat.read(path, as_version=4) for path in (REPOSITORY / "notebooks").glob("0[123]_*.ipynb")]
    sources = "\n".join(cell.source for one in notebooks for cell in one.cells if cell.cell_type == "code")
    imports = [line for line in sources.splitlines() if line.startswith("from kurdtts_lib")]
    code = "\n".join([*imports, "import sys", "print('torch' in sys.modules)"])
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert result.stdout == "False\n"
