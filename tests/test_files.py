"""Atomic writes: the old content or the new, never half, and nothing left lying about."""

import concurrent.futures
import contextlib
import itertools
import math
import subprocess
import sys
from pathlib import Path

import pytest

from kurdtts_lib.core import files
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.files import LOCK, atomic_folder, atomic_path, check_own, locked, write_json, write_text


class Stop(Exception):
    pass


def names(folder: Path) -> list[str]:
    """What lies in the folder, besides the home that every test gets."""
    return sorted(path.name for path in folder.iterdir() if path.name != "home")


def test_a_new_file_appears_whole_in_a_new_folder(tmp_path):
    target = tmp_path / "a" / "b" / "dengê min.txt"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent  # another disk could not be renamed from
        assert temporary.suffix == ".txt"  # libraries choose the format by it
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["dengê min.txt"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that holds the file `old`."""
    target = tmp_path / "voice.v1"
    target.mkdir()
    (target / "old").write_bytes(b"old")
    return target


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, SystemExit])
def test_an_error_while_writing_leaves_what_was_there_and_nothing_else(folder, error):
    file = folder / "old"
    with pytest.raises(error), atomic_path(file) as temporary:
        temporary.write_bytes(b"half of the n")
        raise error
    with pytest.raises(FileNotFoundError), atomic_path(file):
        pass  # wrote nothing
    with pytest.raises(error), atomic_folder(folder) as temporary:
        (temporary / "new").write_bytes(b"new")
        raise error
    assert file.read_bytes() == b"old" and names(folder) == ["old"] and names(folder.parent) == ["voice.v1"]


def replaced(folder: Path) -> None:
    with atomic_folder(folder) as temporary:
        (temporary / "new").write_bytes(b"new")
        assert names(folder) == ["old"]


@pytest.mark.parametrize(
    ("failing", "error", "told"),
    [
        ((1, 2), PermissionError("locked"), None),
        (range(1000), PermissionError("locked"), "in use"),
        ((2,), OSError("between the renames"), "between the renames"),
    ],
)
def test_a_locked_folder_is_waited_for_and_the_old_one_is_back_if_a_rename_fails(
    folder, monkeypatch, failing, error, told
):
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    real, calls = Path.replace, itertools.count(1)

    def replace(source, target):
        if next(calls) in failing:
            raise error
        return real(source, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises((KurdTTSError, OSError), match=told) if told else contextlib.nullcontext():
        replaced(folder)
    assert names(folder) == ["old" if told else "new"] and names(folder.parent) == ["voice.v1"]


def test_a_folder_with_other_files_is_not_ours_to_replace(folder, tmp_path):
    with pytest.raises(KurdTTSError, match="other files"):
        check_own(folder, "preparation.json")
    check_own(folder, "old")
    check_own(tmp_path / "new", "preparation.json")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / f".voice{LOCK}").touch()  # of a killed program
    check_own(tmp_path / "new")


def test_writers_do_not_meet_and_the_last_one_stays(folder):
    with atomic_path(folder / "old") as one, atomic_path(folder / "old") as two:
        one.write_bytes(b"one")
        two.write_bytes(b"two")
    assert (folder / "old").read_bytes() == b"one" and names(folder) == ["old"]
    with atomic_folder(folder) as first, atomic_folder(folder) as second:
        (first / "first").touch()
        (second / "second").touch()
    assert names(folder) == ["first"] and names(folder.parent) == ["voice.v1"]


HOLD = """
import sys
from pathlib import Path
from kurdtts_lib.core.files import locked

with locked(Path(sys.argv[1])):
    print("here", flush=True)
    input()
"""


def test_a_lock_is_refused_or_waited_for_and_ends_with_its_process(folder):
    command = [sys.executable, "-c", HOLD, str(folder)]
    busy = KurdTTSError("Another program works here.")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline().strip() == b"here"
        with pytest.raises(KurdTTSError, match="Another program works here"), locked(folder, busy):
            pass
        with locked(folder.with_name("voice.v1-2"), busy):
            pass
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(replaced, folder)
            assert names(folder) == ["old"]
            other.kill()
            waiting.result()
    assert names(folder) == ["new"] and names(folder.parent) == ["voice.v1"]


def test_json_is_plain_utf8_and_what_others_could_not_read_is_refused(tmp_path):
    target = tmp_path / "value.json"
    write_json(target, {"ş": 1})
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(target, {"a": [value]})
    assert target.read_bytes() == '{\n  "ş": 1\n}\n'.encode()
    write_text(tmp_path / "a.txt", "ş\nê\n")
    assert (tmp_path / "a.txt").read_bytes() == "ş\nê\n".encode()
    assert names(tmp_path) == ["a.txt", "value.json"]
