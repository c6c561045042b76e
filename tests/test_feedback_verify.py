"""Whatever parts rows and sounds, `verify` finds it; what can be mended is, and nothing that was submitted goes."""

import sqlite3
from pathlib import Path

import pytest
from corrections import OTHER, TEXT, files, samples, store, submit, take

from kurdtts_lib.core.errors import FeedbackError
from kurdtts_lib.feedback.database import NAME
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import take_of

__all__ = ["store"]  # the fixture


def change(store: FeedbackStore, statement: str) -> None:
    """What no program of ours does."""
    connection = sqlite3.connect(store.folder / NAME)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_what_a_kill_or_a_hand_left_is_mended_and_told(store: FeedbackStore) -> None:
    kept, gone, lost = submit(store, 1), submit(store, 2), submit(store, 3)
    content = store.sound(gone).read_bytes()
    store.withdraw(gone.id)
    change(store, f"DELETE FROM corrections WHERE id = '{lost.id}'")
    for name in (f".{kept.digest}-0123456789ab.flac", "copy.flac"):
        (store.sounds / name).write_bytes(content)
    result = store.verify()
    assert result.ok and (result.corrections, result.sounds, len(result.mended)) == (3, 2, 3)
    assert files(store) == sorted(f"{digest}.flac" for digest in (kept.digest, lost.digest))
    assert store.verify() == (3, 2, [], [])


@pytest.mark.parametrize("damaged", [False, True])
def test_a_lost_sound_is_told_and_comes_back_by_submitting_it_again(store: FeedbackStore, damaged: bool) -> None:
    kept = submit(store, 1)
    content = bytearray(store.sound(kept).read_bytes())
    store.sound(kept).unlink()
    if damaged:
        content[-100] ^= 1
        (store.sounds / f"{kept.digest}.flac").write_bytes(content)
    else:
        with pytest.raises(FeedbackError, match="kurdtts feedback verify"):
            store.accept(kept.id)
    (problem,) = store.verify().left
    assert f"{kept.id} is {'damaged' if damaged else 'missing'}" in problem and "Submit the same" in problem
    assert submit(store, 1).id == kept.id and store.verify() == (1, 1, [], [])
    assert samples(store, kept) == take(1)[0].tolist()


def test_a_sound_without_a_row_gets_one_that_is_completed_or_withdrawn(store: FeedbackStore) -> None:
    kept, other = submit(store, 1), submit(store, 2)
    change(store, "DELETE FROM corrections")
    assert store.verify().ok and store.verify().mended == []
    found = {each.digest: each for each in store.corrections()}
    assert [(each.text, each.consent, each.seconds, each.state) for each in found.values()] == [
        ("", False, 2.0, "submitted")
    ] * 2
    id = found[kept.digest].id
    with pytest.raises(FeedbackError, match="no text"):
        store.accept(id)
    store.edit_text(id, OTHER)
    with pytest.raises(FeedbackError, match="Consent is needed"):
        store.accept(id)
    again = submit(store, 1, OTHER, contributor="Azad")
    assert again.id == id and again.consent and again.contributor == "Azad" and not again.repeated
    assert store.accept(id).state == "accepted"
    store.withdraw(found[other.digest].id)
    assert files(store) == [f"{kept.digest}.flac"] and store.verify().ok


def test_files_of_others_are_told_and_left(store: FeedbackStore) -> None:
    submit(store, 1)
    for name in ("dapîr.wav", f"{'0' * 24}.flac", ".DS_Store"):
        (store.sounds / name).write_bytes(b"mine")
    (store.sounds / "folder").mkdir()
    (store.sounds / "copy.flac").write_bytes(take_of(take(1)).content)
    result = store.verify()
    assert len(result.left) == 5 and result.mended == [] and len(files(store)) == 6


def test_a_damaged_database_is_told_and_not_touched(store: FeedbackStore) -> None:
    submit(store, 1)
    path: Path = store.folder / NAME
    content = path.read_bytes()
    path.write_bytes(b"no database" * 1000)
    for work in (store.verify, store.corrections, lambda: submit(store, 2)):
        with pytest.raises(FeedbackError, match=r"is damaged \(.*sounds beside it are not touched"):
            work()
    assert path.read_bytes() == b"no database" * 1000
    path.unlink()
    assert len(store.verify().mended) == len(store.corrections()) == 1
    path.write_bytes(content)
    assert store.corrections()[0].text == TEXT
    change(store, "PRAGMA user_version = 99")
    with pytest.raises(FeedbackError, match="newer version"):
        store.corrections()


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
