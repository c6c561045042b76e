"""What was submitted is there, whole, whatever happens; what was withdrawn is gone."""

import concurrent.futures
import contextlib
import errno
import sqlite3
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corrections import OTHER, RATE, TEXT, files, samples, store, submit, take
from speechlike import syllables

from kurdtts_lib.core.errors import AudioError, FeedbackError, NotFoundError, TakeError, TextError
from kurdtts_lib.feedback import database
from kurdtts_lib.feedback.database import NAME
from kurdtts_lib.feedback.store import FeedbackStore

__all__ = ["store"]  # the fixture


def test_a_submission_is_kept_with_everything_that_was_given(store: FeedbackStore) -> None:
    correction = store.submit(
        (0.02 * syllables(2.0, rate=44_100), 44_100), TEXT, contributor="Şîlan", consent=True, voice="v1", mark="baş"
    )
    assert store.get(correction.id) == correction == store.corrections()[0]
    assert (correction.text, correction.spoken) == (TEXT, "roj baş heval ez li vir im")
    assert (correction.state, correction.contributor, correction.voice, correction.mark) == (
        *("submitted", "Şîlan", "v1"),
        "baş",
    )
    assert correction.consent and not correction.repeated and len(correction.id) == 32
    assert correction.created.endswith("+00:00") and "too quiet" in correction.checks[0]
    assert correction.seconds == 2.0
    info = soundfile.info(store.sound(correction))
    assert (info.samplerate, info.format, info.subtype) == (44_100, "FLAC", "PCM_16")
    assert [event.what for event in store.history(correction.id)] == ["submitted"]


@pytest.mark.parametrize(
    ("audio", "text", "error", "said"),
    [
        (b"webm", TEXT, AudioError, "cannot be decoded"),
        ((np.zeros(RATE), RATE), TEXT, TakeError, "no voice"),
        (take(0), "Roj baş " * 20, TakeError, "letters and spaces"),
        (take(0), "روژ", TextError, "'ر'"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(store, audio, text, error, said) -> None:
    with pytest.raises(error, match=said):
        store.submit(audio, text, consent=True)
    with pytest.raises(FeedbackError, match="Consent is needed"):
        store.submit(take(0), TEXT, consent=False)
    assert not store.folder.exists()


def test_the_same_sound_and_text_again_is_said_and_its_marks_are_kept(store: FeedbackStore) -> None:
    first = submit(store, mark="baş")
    assert "kept once" in submit(store, mark="heval").checks[0]
    assert store.get(first.id).mark == "baş; heval"


def test_a_text_that_was_edited_after_the_voice_read_it_is_not_used(store: FeedbackStore) -> None:
    before, after, never = (submit(store, number).id for number in (1, 2, 3))
    for id in (before, after, never):
        store.accept(id)
    store.edit_text(before, OTHER)
    time.sleep(0.002)
    read_at = database.now()
    store.edit_text(after, OTHER)
    for _ in range(2):  # the marking of a voice is repeated before every training
        store.mark_used([before, after, never], "v2", read_at)
        assert [store.get(id).state for id in (before, after, never)] == ["used", "accepted", "used"]
        assert [event.what for event in store.history(never)] == ["submitted", "accepted", "used"]
    assert store.withdraw(after) == ["v2"], "the voice knows the sound"


def test_unknown_ids_and_states_and_texts_that_cannot_be_said_are_told(store: FeedbackStore) -> None:
    id = submit(store).id
    actions = (store.get, store.accept, store.withdraw, store.history, lambda id: store.edit_text(id, TEXT))
    for action in (*actions, lambda id: store.mark_used([id], "v2")):
        with pytest.raises(NotFoundError, match="no correction 'abc'"):
            action("abc")
    for change, error, said in (
        (lambda: store.corrections("lost"), FeedbackError, "no state 'lost'"),
        (lambda: store.edit_text(id, "..."), TextError, "nothing to say"),
        (lambda: store.edit_text(id, "Roj baş " * 20), TakeError, "letters and spaces"),
    ):
        with pytest.raises(error, match=said):
            change()
    assert store.get(id).text == TEXT


def test_a_withdrawal_removes_sound_text_and_name_and_names_the_voices(store: FeedbackStore) -> None:
    correction = store.submit(take(0), TEXT, contributor="Şîlan Kurdî", consent=True, mark="tiştekî veşartî")
    id, recording = correction.id, store.sound(correction).read_bytes()
    submit(store, 1, "Em li vir in")  # the files of the store stay
    store.edit_text(id, OTHER)
    store.accept(id)
    store.mark_used([id], "v2")
    store.mark_used([id], "v3")
    with contextlib.closing(sqlite3.connect(store.folder / NAME)) as other:  # a program that does not close the file
        assert other.execute("SELECT id FROM corrections").fetchall()
        assert store.withdraw(id, "na xwazim") == ["v2", "v3"] == store.withdraw(id)
        left = b"".join(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())
    assert store.tainted_voices() == {"v2": [id], "v3": [id]}
    gone = store.get(id)
    assert (gone.state, gone.text, gone.spoken, gone.contributor, gone.mark) == ("withdrawn", "", "", "", "")
    assert not gone.consent and len(files(store)) == 1
    for secret in (TEXT, OTHER, correction.spoken, "Şîlan", "veşartî"):
        assert secret.encode("utf-8") not in left
    assert not any(recording[start : start + 64] in left for start in range(0, len(recording) - 64, 64))
    events = [(event.what, event.detail) for event in store.history(id)]
    assert events == [
        *(("submitted", ""), ("text edited", ""), ("accepted", "")),
        *(("used", "v2"), ("used", "v3"), ("withdrawn", "na xwazim")),
    ]
    with pytest.raises(FeedbackError, match="was withdrawn"):
        store.sound(gone)


def test_a_sound_in_use_is_told_and_verify_removes_it(store: FeedbackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    id = submit(store).id

    def busy(self, missing_ok=False):
        raise PermissionError(errno.EACCES, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", busy)
        with pytest.raises(FeedbackError, match="cannot be deleted"):
            store.withdraw(id)
        assert "cannot be deleted" in store.verify().left[0]
    assert store.get(id).state == "withdrawn" and len(files(store)) == 1
    assert store.verify().ok and files(store) == []


def test_half_of_a_character_is_kept_as_a_question_mark(store: FeedbackStore) -> None:
    assert submit(store, contributor="a\udcc5").contributor == "a?"
    with pytest.raises(FeedbackError, match="no correction"):
        store.get("\udcc5")


def test_a_full_disk_leaves_no_row(store: FeedbackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = submit(store, 1)

    def full(self, data):
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(FeedbackError, match="No space left on device"):
            submit(store, 2)
    assert store.corrections() == [kept] and files(store) == [f"{kept.digest}.flac"] and store.verify().ok


def test_a_full_database_leaves_no_row_and_the_next_try_completes_it(
    store: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, set_up = submit(store, 1), database._set_up

    def no_room(connection: sqlite3.Connection, path: Path) -> None:
        set_up(connection, path)
        connection.execute("PRAGMA max_page_count = 1")

    with monkeypatch.context() as patch:
        patch.setattr(database, "_set_up", no_room)
        with pytest.raises(FeedbackError, match="is the disk full"):
            submit(store, 2, contributor="x" * 100_000)
    assert store.corrections() == [kept]
    second = submit(store, 2)
    assert store.corrections() == [kept, second] and store.verify().ok


def test_a_locked_database_is_told_and_nothing_is_lost(store: FeedbackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(store, 1)
    other = sqlite3.connect(store.folder / NAME, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with monkeypatch.context() as patch:
        patch.setattr(database, "TIMEOUT_SECONDS", 0.1)
        with pytest.raises(FeedbackError, match=r"in use by another program\. Nothing was lost; try again"):
            submit(store, 2)
    assert len(store.corrections()) == len(files(store)) == 1
    timer = threading.Timer(0.3, other.close)
    timer.start()
    assert submit(store, 2).state == "submitted", "it waits"
    timer.join()
    assert store.verify() == (2, 2, [], [])


def test_submitting_withdrawing_and_verifying_at_a_time_loses_no_sound(store: FeedbackStore) -> None:
    kept: list[str] = []

    def work(worker: int) -> None:
        for turn in range(20):
            correction = submit(store, turn % 2, f"{TEXT} {'na ' * worker}")
            if (turn + worker) % 3 == 0:
                kept.append(correction.id)
            elif correction.id not in kept:
                store.withdraw(correction.id)
            if turn % 4 == worker:
                store.verify()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    result = store.verify()
    assert result.ok and result.mended == [] and kept
    for id in kept:
        assert samples(store, store.get(id)) in (take(0)[0].tolist(), take(1)[0].tolist())
