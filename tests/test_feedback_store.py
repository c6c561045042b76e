"""What was submitted is there, whole, whatever happens; what was withdrawn is gone; `verify` mends the rest."""

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
from corrections import OTHER, RATE, TEXT, decode_take, files, samples, store, submit, take
from hypothesis import given
from hypothesis import strategies as st
from speechlike import encoded, syllables

from kurdtts_lib.core.errors import AudioError, FeedbackError, NotFoundError, TakeError, TextError
from kurdtts_lib.feedback import database
from kurdtts_lib.feedback.database import NAME
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import check_take, take_of

__all__ = ["store"]  # the fixture


def test_a_submission_is_kept_with_everything_that_was_given(store: FeedbackStore) -> None:
    correction = store.submit(
        (0.02 * syllables(2.0, rate=44_100), 44_100), TEXT, contributor="Şîlan", consent=True, voice="v1", mark="baş"
    )
    assert store.get(correction.id) == correction == store.corrections()[0]
    assert (correction.text, correction.spoken) == (TEXT, "roj baş heval, ez li vir im")
    assert (correction.state, correction.contributor, correction.voice, correction.mark) == (
        *("submitted", "Şîlan", "v1"),
        "baş",
    )
    assert correction.consent and not correction.repeated and len(correction.id) == 32
    assert correction.created.endswith("+00:00") and "too quiet" in correction.checks[0]
    assert correction.seconds == 2.0
    info = soundfile.info(store.sound(correction))
    assert (info.samplerate, info.format, info.subtype) == (44_100, "FLAC", "PCM_16")


def test_what_cannot_be_used_is_refused_and_nothing_is_written(store: FeedbackStore) -> None:
    for audio, text, consent, error, said in (
        (b"webm", TEXT, True, AudioError, "cannot be decoded"),
        (take(0), "Roj baş " * 20, True, TakeError, "letters and spaces"),
        (take(0), "روژ", True, TextError, "'ر'"),
        (take(0), TEXT, False, FeedbackError, "Consent is needed"),
    ):
        with pytest.raises(error, match=said):
            store.submit(audio, text, consent=consent)
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
    assert store.withdraw(after) == ["v2"], "the voice knows the sound"


def test_unknown_ids_and_texts_that_cannot_be_said_are_told(store: FeedbackStore) -> None:
    id = submit(store, contributor="a\udcc5").id
    assert store.get(id).contributor == "a?", "half of a character"
    with pytest.raises(NotFoundError, match="no correction"):
        store.get("\udcc5")
    actions = (store.get, store.accept, store.withdraw, lambda id: store.edit_text(id, TEXT))
    for action in (*actions, lambda id: store.mark_used([id], "v2")):
        with pytest.raises(NotFoundError, match="no correction 'abc'"):
            action("abc")
    for change, error, said in (
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
        assert store.withdraw(id) == ["v2", "v3"] == store.withdraw(id)
        left = b"".join(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())
    assert store.tainted_voices() == {"v2": [id], "v3": [id]}
    gone = store.get(id)
    assert (gone.state, gone.text, gone.spoken, gone.contributor, gone.mark) == ("withdrawn", "", "", "", "")
    assert not gone.consent and len(files(store)) == 1
    for secret in (TEXT, OTHER, correction.spoken, "Şîlan", "veşartî"):
        assert secret.encode("utf-8") not in left
    assert not any(recording[start : start + 64] in left for start in range(0, len(recording) - 64, 64))
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

    def no_room(connection: sqlite3.Connection) -> None:
        set_up(connection)
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


# --- what a kill, a fault or a hand left -----------------------------------------------------------------------------


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
    assert (result.corrections, result.sounds, len(result.mended), len(result.left)) == (2, 1, 2, 1)
    assert lost.digest in result.left[0] and "Submit it with its text" in result.left[0]
    assert files(store) == sorted(f"{digest}.flac" for digest in (kept.digest, lost.digest))
    store.submit(store.sounds / f"{lost.digest}.flac", TEXT, consent=True)
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
    assert len(store.verify().left) == 1 and store.corrections() == []
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


# --- how a take is judged, and what is kept of it --------------------------------------------------------------------

VOICE = syllables(2.0)
GAP = np.zeros(2 * RATE)


def test_a_good_take_has_neither_errors_nor_warnings_and_of_a_bad_one_sound_and_text_are_told() -> None:
    checks = check_take((VOICE, RATE), TEXT)
    assert (checks.errors, checks.warnings, checks.seconds) == ([], [], 2.0)
    assert len(check_take((np.zeros(2 * RATE), RATE), "روژ").errors) == 2


@pytest.mark.parametrize(
    ("audio", "text", "said", "todo"),
    [
        (b"\x1aE\xdf\xa3 webm", TEXT, "cannot be decoded", "convert them to WAV"),
        (Path("nowhere.wav"), TEXT, "does not exist", "nowhere.wav"),
        ((np.zeros(0), RATE), TEXT, "no sound at all", "Record again"),
        ((np.full(100, np.nan), RATE), TEXT, "not numbers", "Record again"),
        ((VOICE, 0), TEXT, "no sound at all", "Record again"),
        ((np.stack([VOICE] * 9, 1), RATE), TEXT, "9 channels", "one or two channels"),
        ((VOICE.astype(np.complex128), RATE), TEXT, "complex128", "int16 or float"),
        ((np.zeros(2 * RATE), RATE), TEXT, "no voice", "Check the microphone"),
        ((1e-4 * VOICE, RATE), "Roj baş " * 20, "no voice", "Check the microphone"),
        ((np.concatenate([GAP, syllables(0.1), GAP]), RATE), "na", "only 0.2 s", "say the whole text"),
        ((np.zeros(62 * RATE, dtype=np.int16), RATE), TEXT, "62.0 s long", "one sentence at a time"),
        ((VOICE, RATE), "Roj baş " * 20, "letters and spaces", "Record the whole text"),
        ((VOICE, RATE), "Ez 1.2.3 sêv dixwim", "'1.2.3'", "Write"),
        ((VOICE, RATE), "...", "nothing to say", "Write at least one word"),
        ((VOICE, RATE), "a" * 5000, "5000 characters", "one sentence at a time"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_what_to_do(audio, text: str, said: str, todo: str) -> None:
    (error,) = check_take(audio, text).errors
    assert said in error and todo in error


@pytest.mark.parametrize(
    ("waveform", "text", "said", "todo"),
    [
        (np.clip(10 * VOICE, -1, 1), TEXT, "too loud", "Go further from the microphone"),
        (0.02 * VOICE, TEXT, "too quiet", "Go nearer to the microphone"),
        (np.random.default_rng(1).normal(scale=0.1, size=2 * RATE), TEXT, "mostly noise", "Find a quieter place"),
        (syllables(1.0), "binivîsin bixwînin berxwedanî", "very fast", "record again"),
        (syllables(5.0), "Roj baş", "very slow", "correct the text"),
        (np.concatenate([VOICE, GAP, VOICE]), 2 * TEXT, "silence of 2.", "without the pause"),
        (VOICE, "Dr. Azad li vir e û îro baş e", "'Dr.' in different ways", "Write it in words"),
        (VOICE, f"{TEXT} 🙂", "'🙂' in different ways, or not at all", "Write it in words"),
    ],
)
def test_what_sounds_wrong_is_a_warning_that_says_what_to_do(
    waveform: np.ndarray, text: str, said: str, todo: str
) -> None:
    checks = check_take((waveform, RATE), text)
    assert checks.errors == []
    (warning,) = [warning for warning in checks.warnings if said in warning]
    assert todo in warning


SAMPLES = st.lists(st.integers(-32768, 32767), min_size=1, max_size=300).map(
    lambda each: np.array(each, dtype=np.int16)
)


@given(SAMPLES, st.sampled_from([8_000, 16_000, 44_100, 48_000]), st.integers(1, 3))
def test_sixteen_bit_samples_come_back_exactly_and_always_as_the_same_bytes(
    samples: np.ndarray, rate: int, channels: int
) -> None:
    several = np.stack([np.roll(samples, shift) for shift in range(channels)], 1)
    content = take_of((several, rate)).content
    back, rate_back = decode_take(content)
    assert rate_back == rate and back.dtype == np.int16 and (back == several).all()
    for same in (content, (several / 32768.0, rate), (several.astype(np.float32) / 32768, rate)):
        assert take_of(same).content == content
    assert decode_take(take_of(encoded(several, rate, "WAV")).content)[0].tolist() == several.tolist()


@given(st.binary(max_size=200), st.text(max_size=50))
def test_no_input_raises(content: bytes, text: str) -> None:
    assert check_take(content, text).errors != []
    assert isinstance(check_take((VOICE, RATE), text).errors, list)
