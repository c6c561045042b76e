"""Whatever parts rows and sounds, `verify` finds it; what can be mended is, and nothing that was submitted goes."""

import os
import sqlite3
from pathlib import Path

import pytest
from corrections import OTHER, TEXT, files, samples, store, submit, take, used

from kurdtts_lib.core.errors import FeedbackError
from kurdtts_lib.feedback.database import NAME
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import encode_take

__all__ = ["store"]  # the fixture


def change(store: FeedbackStore, statement: str, *values: object) -> None:
    """What no program of ours does."""
    connection = sqlite3.connect(store.folder / NAME)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_nothing_is_found_where_nothing_is_wrong(store: FeedbackStore) -> None:
    assert store.verify().ok and store.corrections() == []
    used(store, 1)
    store.withdraw(submit(store, 2).id)
    submit(store, 1, OTHER)
    result = store.verify()
    assert (result.corrections, result.sounds, result.mended, result.left) == (3, 1, [], [])


def test_without_mending_everything_is_told_and_nothing_changes(store: FeedbackStore) -> None:
    kept = submit(store, 1)
    change(store, "UPDATE corrections SET state = 'lost'")
    (store.sounds / "rast.flac").write_bytes(encode_take(take(1)))
    store.sound(kept).unlink()
    (store.sounds / f".{kept.digest}-0123456789ab.flac").write_bytes(b"half")
    os.utime(store.sounds / f".{kept.digest}-0123456789ab.flac", (0, 0))
    before = files(store)
    result = store.verify(mend=False)
    assert len(result.left) == 4 and result.mended == []  # state, name, missing, half-written
    assert files(store) == before and store.get(kept.id).state == "lost"
    mended = store.verify()
    assert mended.ok and len(mended.mended) == 3  # what was missing is what was called otherwise
    assert files(store) == [f"{kept.digest}.flac"] and store.get(kept.id).state == "submitted"
    assert store.history(kept.id)[-1].what == "put right"


def test_a_missing_sound_is_told_and_comes_back_by_submitting_it_again(store: FeedbackStore) -> None:
    kept = submit(store, 1)
    store.sound(kept).unlink()
    result = store.verify()
    assert result.mended == [] and f"{kept.id} is missing" in result.left[0] and "Submit the same" in result.left[0]
    with pytest.raises(FeedbackError, match="kurdtts feedback verify"):
        store.accept(kept.id)
    assert submit(store, 1).id == kept.id and store.verify().ok


def test_a_damaged_sound_is_told_and_comes_back_by_submitting_it_again(store: FeedbackStore) -> None:
    kept = submit(store, 1)
    content = bytearray(store.sound(kept).read_bytes())
    content[-100] ^= 1
    store.sound(kept).write_bytes(content)
    assert f"{kept.id} is damaged" in store.verify().left[0]
    submit(store, 1)
    assert store.verify().ok and samples(store, kept) == take(1)[0].tolist()


def test_a_whole_sound_under_another_name_takes_the_place_of_a_damaged_one(store: FeedbackStore) -> None:
    kept = submit(store, 1)
    store.sound(kept).rename(store.sounds / "rast.flac")
    (store.sounds / f"{kept.digest}.flac").write_bytes(b"damaged")
    assert store.verify().ok and samples(store, kept) == take(1)[0].tolist()
    assert files(store) == [f"{kept.digest}.flac"]


def test_a_sound_whose_row_was_never_written_gets_one_and_is_completed(store: FeedbackStore) -> None:
    kept = submit(store, 1)
    change(store, "DELETE FROM corrections")
    assert store.verify().ok and store.verify().mended == []
    (found,) = store.corrections()
    assert (found.digest, found.text, found.seconds) == (kept.digest, "", 2.0)
    assert submit(store, 1).id == found.id and store.get(found.id).text == TEXT


def test_a_found_sound_can_be_withdrawn(store: FeedbackStore) -> None:
    submit(store, 1)
    change(store, "DELETE FROM corrections")
    store.verify()
    store.withdraw(store.corrections()[0].id)
    assert files(store) == [] and store.verify().ok


def test_a_half_written_file_is_removed_when_nobody_can_be_writing_it(store: FeedbackStore) -> None:
    kept = submit(store, 1)
    half = store.sounds / f".{kept.digest}-0123456789ab.flac"
    half.write_bytes(b"half")
    assert "Verify again in ten minutes" in store.verify().left[0] and half.is_file()
    os.utime(half, (0, 0))
    assert store.verify().ok and not half.exists()


def test_files_of_others_are_told_and_left(store: FeedbackStore) -> None:
    submit(store, 1)
    for name in ("dapîr.wav", f"{'0' * 24}.flac"):
        (store.sounds / name).write_bytes(b"mine")
    (store.sounds / "folder").mkdir()
    (store.sounds / "copy.flac").write_bytes(encode_take(take(1)))
    result = store.verify()
    assert len(result.left) == 4 and result.mended == [] and len(files(store)) == 5


def test_a_readers_sound_under_one_of_our_names_gets_a_row(store: FeedbackStore) -> None:
    submit(store, 1)
    (store.sounds / f"{'0' * 24}.flac").write_bytes(encode_take(take(2)))
    assert store.verify().ok
    assert samples(store, store.corrections()[1]) == take(2)[0].tolist()


def test_the_sound_of_a_withdrawn_correction_is_removed_whatever_its_state_or_name(store: FeedbackStore) -> None:
    kept = submit(store, 1)
    content = store.sound(kept).read_bytes()
    store.withdraw(kept.id)
    for name, bytes_ in ((kept.digest, content), (kept.digest, content[:-10] + b"damaged it"), ("other", content)):
        (store.sounds / f"{name}.flac").write_bytes(bytes_)
        assert store.verify().ok and files(store) == []
    assert len(store.corrections()) == 1


@pytest.mark.parametrize(
    ("statement", "becomes"),
    [
        ("UPDATE corrections SET state = 'lost'", "submitted"),
        ("UPDATE corrections SET text = ''", "submitted"),
        ("UPDATE corrections SET consent = 0", "submitted"),
        ("DELETE FROM uses", "accepted"),
        ("UPDATE corrections SET state = 'withdrawn'", "withdrawn"),
    ],
)
def test_a_row_in_an_impossible_state_goes_back_to_a_possible_one(
    store: FeedbackStore, statement: str, becomes: str
) -> None:
    id = used(store, 1).id
    change(store, statement)
    assert len(store.verify().mended) == 1 + (becomes == "withdrawn")  # its sound goes, too
    assert store.get(id).state == becomes and store.verify().mended == []
    assert (store.get(id).text == "") == (becomes == "withdrawn" or "text" in statement)


def test_a_withdrawn_row_in_an_unknown_state_stays_withdrawn(store: FeedbackStore) -> None:
    id = submit(store, 1).id
    store.withdraw(id)
    change(store, "UPDATE corrections SET state = 'lost'")
    assert store.verify().ok and store.get(id).state == "withdrawn"


def test_a_damaged_database_is_told_and_not_touched(store: FeedbackStore) -> None:
    submit(store, 1)
    path: Path = store.folder / NAME
    content = path.read_bytes()
    path.write_bytes(b"no database" * 1000)
    for work in (store.verify, store.corrections, lambda: submit(store, 2)):
        with pytest.raises(FeedbackError, match=r"is damaged \(.*sounds beside it are not touched"):
            work()
    assert path.read_bytes() == b"no database" * 1000 and len(files(store)) == 2
    path.unlink()
    assert len(store.verify().mended) == 2 and len(store.corrections()) == 2
    path.write_bytes(content)
    assert store.corrections()[0].text == TEXT


def test_a_damaged_page_is_told(store: FeedbackStore) -> None:
    for number in range(3):
        submit(store, number)
    path = store.folder / NAME
    content = bytearray(path.read_bytes())
    content[-4096:] = b"\xff" * 4096
    path.write_bytes(content)
    try:
        assert "The database says" in store.verify().left[0]
    except FeedbackError as error:  # where the page is one that is read
        assert "is damaged" in str(error)


def test_a_newer_database_is_not_touched(store: FeedbackStore) -> None:
    submit(store, 1)
    change(store, "PRAGMA user_version = 99")
    with pytest.raises(FeedbackError, match="newer version"):
        store.corrections()
