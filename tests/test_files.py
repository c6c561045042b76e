"""Atomic writes: the old content or the new, never half, and nothing left lying about."""

import concurrent.futures
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.core import files
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.files import (
    ASIDE,
    LOCK,
    atomic_folder,
    atomic_path,
    check_own,
    locked,
    read_folder,
    read_json,
    write_json,
    write_text,
)


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


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, SystemExit])
def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path, error):
    target = tmp_path / "file.txt"
    target.write_bytes(b"old")
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_bytes(b"half of the n")
        raise error
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file.txt"]


def test_a_writer_that_wrote_nothing_is_an_error_and_leaves_the_old_file(tmp_path):
    target = tmp_path / "file.txt"
    target.write_bytes(b"old")
    with pytest.raises(FileNotFoundError), atomic_path(target):
        pass
    assert target.read_bytes() == b"old"


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    target = tmp_path / "file.txt"
    with atomic_path(target) as first, atomic_path(target) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert target.read_bytes() == b"first"  # the last to finish
    assert names(tmp_path) == ["file.txt"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that holds the file `old`."""
    target = tmp_path / "voice.v1"
    target.mkdir()
    (target / "old").write_bytes(b"old")
    return target


def test_a_new_folder_takes_the_place_of_the_whole_old_one(folder):
    with atomic_folder(folder) as temporary:
        (temporary / "new").write_bytes(b"new")
        assert names(folder) == ["old"]
    assert names(folder) == ["new"]
    assert names(folder.parent) == ["voice.v1"]


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, SystemExit])
def test_an_error_while_filling_a_folder_leaves_the_old_one_and_no_other(folder, error):
    with pytest.raises(error), atomic_folder(folder) as temporary:
        (temporary / "new").write_bytes(b"new")
        raise error
    assert names(folder) == ["old"]
    assert names(folder.parent) == ["voice.v1"]


def failing_second_rename(monkeypatch, error: type[BaseException]) -> None:
    """The first rename, of the old folder, works; the next one fails."""
    replace, calls = Path.replace, []

    def replace_once(self, target):
        calls.append(self)
        if len(calls) == 2:
            raise error("between the renames")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_once)


def test_an_error_between_the_two_renames_brings_the_old_folder_back(folder, monkeypatch):
    failing_second_rename(monkeypatch, OSError)
    with pytest.raises(OSError, match="between the renames"), atomic_folder(folder) as temporary:
        (temporary / "new").write_bytes(b"new")
    assert names(folder) == ["old"]
    assert names(folder.parent) == ["voice.v1"]


def died_between_the_renames(folder: Path) -> None:
    """The state on disk after a power cut between the two renames."""
    folder.rename(aside_of(folder))
    temporary = folder.with_name(".voice-0123456789ab.v1")
    temporary.mkdir()
    (temporary / "new").write_bytes(b"new")


def aside_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}-0123456789ab{ASIDE}")


def test_after_a_death_between_the_renames_readers_find_the_old_folder_and_move_nothing(folder):
    died_between_the_renames(folder)
    before = names(folder.parent)
    assert read_folder(folder, names) == ["old"]
    assert names(folder.parent) == before


@pytest.mark.parametrize("sibling", ["voice.v1-2", "voice.v1-0123456789ab", "voice"])
def test_the_set_aside_folder_of_another_name_is_no_ones_but_its_own(folder, sibling):
    other = folder.with_name(sibling)
    other.mkdir()
    (other / "others").write_bytes(b"")
    other.rename(aside_of(other))
    folder.rename(folder.with_name("elsewhere"))
    with atomic_folder(folder) as temporary:
        assert not folder.exists()  # what was set aside for the other one did not come here
        (temporary / "new").write_bytes(b"")
    assert names(folder) == ["new"] and names(aside_of(other)) == ["others"]
    with pytest.raises(Stop), atomic_folder(other):
        raise Stop
    assert names(other) == ["others"] and names(folder) == ["new"]


def test_after_a_death_between_the_renames_the_next_error_still_leaves_the_old_folder(folder):
    died_between_the_renames(folder)
    with pytest.raises(Stop), atomic_folder(folder):
        raise Stop
    assert names(folder) == ["old"]


def test_after_a_death_behind_the_renames_the_new_folder_stays_and_the_next_write_clears_up(folder):
    aside = aside_of(folder)
    aside.mkdir()
    (aside / "older").write_bytes(b"older")
    assert read_folder(folder, names) == ["old"] and names(aside) == ["older"]
    with atomic_folder(folder) as temporary:
        (temporary / "new").write_bytes(b"new")
    assert names(folder) == ["new"]
    assert not aside.exists()


def test_a_folder_that_a_reader_called_old_is_never_touched(folder):
    backup = folder.with_name("voice.v1.old")
    backup.mkdir()
    with atomic_folder(folder) as temporary:
        (temporary / "new").write_bytes(b"new")
    assert backup.is_dir()


def test_a_file_that_is_locked_for_a_moment_is_waited_for(folder, monkeypatch):
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    real, locked = Path.replace, [PermissionError("locked"), PermissionError("locked")]

    def replace(source, target):
        if locked:
            raise locked.pop()
        return real(source, target)

    monkeypatch.setattr(Path, "replace", replace)
    with atomic_folder(folder) as temporary:
        (temporary / "new").write_bytes(b"new")
    assert names(folder) == ["new"]


def test_a_folder_that_stays_locked_is_named_and_kept(folder, monkeypatch):
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)

    def always_locked(source, target):
        raise PermissionError("locked")

    monkeypatch.setattr(Path, "replace", always_locked)
    with pytest.raises(KurdTTSError, match="in use"), atomic_folder(folder):
        pass
    assert names(folder) == ["old"]


def test_a_folder_with_other_files_is_not_ours_to_replace(folder, tmp_path):
    with pytest.raises(KurdTTSError, match="other files"):
        check_own(folder, "preparation.json")
    check_own(folder, "old")
    check_own(tmp_path / "new", "preparation.json")


def test_a_folder_with_nothing_but_the_lock_of_a_killed_program_is_ours_to_replace(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / f".voice{LOCK}").touch()
    check_own(tmp_path / "new")


def test_a_reader_of_a_folder_that_is_not_there_gets_the_readers_own_error(tmp_path):
    def read(place):
        raise KurdTTSError(f"{place.name} is missing")

    with pytest.raises(KurdTTSError, match="never is missing"):
        read_folder(tmp_path / "never", read)
    assert names(tmp_path) == []


def replaced(folder: Path) -> None:
    with atomic_folder(folder) as temporary:
        (temporary / "new").write_bytes(b"new")


@pytest.mark.parametrize("fails", [False, True])
def test_a_reader_whose_folder_is_replaced_meanwhile_reads_all_of_the_new_one(folder, fails):
    """Half of the files would be the old folder's, and half the new one's."""
    readings = []

    def read(place):
        readings.append(names(place))
        if len(readings) == 1:
            replaced(folder)
            if fails:
                raise KurdTTSError("a file that was there is gone")
        return readings[-1]

    assert read_folder(folder, read) == ["new"] and readings == [["old"], ["new"]]


def test_a_reader_between_the_two_renames_takes_nothing_from_the_writer(folder, monkeypatch):
    replace, found = Path.replace, []

    def watched(source, target):
        replace(source, target)
        if source == folder:
            found.append(read_folder(folder, names))

    monkeypatch.setattr(Path, "replace", watched)
    replaced(folder)
    assert found == [["old"]] and names(folder) == ["new"] and names(folder.parent) == ["voice.v1"]


def test_writers_of_one_folder_take_turns_and_the_last_one_stays(folder):
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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(json_values)
def test_json_comes_back_as_it_was_written(tmp_path_factory, value):
    target = tmp_path_factory.getbasetemp() / "value.json"
    write_json(target, value)
    assert read_json(target) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_that_others_could_not_read_is_refused_and_the_old_file_stays(tmp_path, value):
    target = tmp_path / "value.json"
    write_json(target, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, {"a": [value]})
    assert json.loads(target.read_bytes()) == {"a": 1}
    assert names(tmp_path) == ["value.json"]


def test_text_is_utf8_with_plain_line_ends_on_every_system(tmp_path):
    write_text(tmp_path / "a.txt", "ş\nê\n")
    assert (tmp_path / "a.txt").read_bytes() == "ş\nê\n".encode()
    write_json(tmp_path / "a.json", {"ş": 1})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "ş": 1\n}\n'.encode()
