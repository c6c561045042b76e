"""start.py and its folder .venv: what state it is in, and how it is removed."""

import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from starting import FOUND, STAMP, start


def test_the_stamp_is_written_whole_or_not_at_all_and_a_damaged_one_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ('{"key": "k"', "[]", '{"key": "k"}'):
        (tmp_path / start.STAMP).write_text(text, encoding="utf-8")
        assert start.read_stamp(tmp_path) == {}
    start.write_stamp(tmp_path, STAMP)
    assert [path.name for path in tmp_path.iterdir()] == [start.STAMP]
    monkeypatch.setattr(Path, "replace", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        start.write_stamp(tmp_path, {**STAMP, "key": "new"})
    assert start.read_stamp(tmp_path) == STAMP


@pytest.mark.parametrize(
    ("found", "stamp", "files", "fault"),
    [
        (FOUND, {}, [], ""),  # an environment that start.py did not make: completed, never deleted
        (FOUND, {}, [start.LOG], "did not come to its end"),
        ({}, STAMP, [], "Python is missing"),
        ({}, STAMP, [start.python_of(Path())], "does not start"),
        ({**FOUND, "python": [3, 9]}, STAMP, [], "it was made by Python 3.9"),
        ({**FOUND, "pip": False}, {}, [], "no pip"),
    ],
)
def test_faults_of_an_environment(tmp_path: Path, found: Any, stamp: Any, files: list[Any], fault: str) -> None:
    for name in files:
        (tmp_path / ".venv" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / ".venv" / name).touch()
    answer = start.fault_of(tmp_path / ".venv", stamp and {**stamp, "root": str(tmp_path)}, found)
    assert fault in answer
    assert bool(fault) == bool(answer)


def test_a_moved_or_copied_folder_and_a_python_that_does_not_start_are_noticed(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    for_root = lambda root: start.fault_of(here / ".venv", {**STAMP, "root": str(root)}, FOUND)  # noqa: E731
    assert for_root(here) == for_root(here / ".." / "here") == ""
    assert "moved or copied" in for_root(elsewhere)  # moved: the old folder is gone
    elsewhere.mkdir()
    assert "moved or copied" in for_root(elsewhere)  # copied: it is still there
    python = start.python_of(tmp_path)
    assert start.read_stamp(tmp_path) == start.inspect(tmp_path) == {}
    python.parent.mkdir()
    python.write_bytes(b"\x7fELF broken")
    python.chmod(0o755)
    assert start.inspect(tmp_path) == {}


def test_remove_deletes_the_environment_and_older_leftovers_and_follows_no_link(tmp_path: Path) -> None:
    for name in (".venv", ".venv-old"):
        (tmp_path / name / "lib").mkdir(parents=True)
    (tmp_path / "mine" / "kept").mkdir(parents=True)
    start.remove(tmp_path / ".venv")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / ".venv").write_text("a file, not a folder", encoding="utf-8")
    start.remove(tmp_path / ".venv")
    if sys.platform != "win32":  # links need a right that Windows gives to few
        (tmp_path / ".venv").symlink_to(tmp_path / "mine")
        start.remove(tmp_path / ".venv")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "kept"]


def test_an_environment_in_use_is_left_whole_and_it_is_said_what_to_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = tmp_path / ".venv"
    (venv / "lib").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "prefix", str(venv))
        with pytest.raises(start.Problem, match="deactivate"):
            start.remove(venv)
    monkeypatch.setattr(Path, "rename", Mock(side_effect=PermissionError(13, "The process cannot access the file")))
    with pytest.raises(start.Problem, match="close Jupyter") as problem:
        start.remove(venv)
    assert f"could not be deleted:\n  {venv}\n" in str(problem.value) and (venv / "lib").is_dir()


def test_children_get_utf_8_no_telemetry_and_no_foreign_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__", "PYTHONDONTWRITEBYTECODE", "PIP_USER"):
        monkeypatch.setenv(name, "foreign")
    monkeypatch.setenv("MINE", "çêîşû")
    environment = start.child_environment(Path("V"))
    expected = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8", "HF_HUB_DISABLE_TELEMETRY": "1", "MINE": "çêîşû"}
    assert expected.items() <= environment.items()
    assert "foreign" not in environment.values()
    assert environment["PATH"].split(os.pathsep)[0] == str(start.python_of(Path("V")).parent)
