"""The store of corrections: submissions are durable and atomic, and are used only with their speaker's consent."""

import dataclasses
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from kurdtts_lib.core.errors import FeedbackError, TakeError
from kurdtts_lib.core.files import atomic_path
from kurdtts_lib.core.settings import home
from kurdtts_lib.feedback import exchange, queries, verification
from kurdtts_lib.feedback.checks import Checks, check_kept, speakable
from kurdtts_lib.feedback.database import transaction
from kurdtts_lib.feedback.records import STATES, Correction, Event, Verification
from kurdtts_lib.feedback.takes import Audio, digest_of, encode_take

REPEATED = "This recording with this text was submitted before; it is kept once."


class FeedbackStore:
    """A folder with `feedback.sqlite` and `sounds/`, safe for concurrent use by threads and processes.

    States: submitted -> accepted -> used, and withdrawn from each of them. Every method may raise FeedbackError: for
    an unknown id (its subclass NotFoundError), a change that the state does not allow, or a disk or database that
    cannot be written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "data" / "feedback"
        self.sounds = self.folder / "sounds"

    def submit(
        self, audio: Audio, text: str, *, contributor: str = "", consent: bool, voice: str = "", mark: str = ""
    ) -> Correction:
        """Store a recording of `text`; once this returns, it is durable. mark: what was wrong in the voice's speech.

        The same audio and text are stored once: the earlier correction is returned with `repeated` and a remark in its
        `checks`. Raises, with nothing written: FeedbackError without consent, TextError for a text without a reading,
        AudioError for audio that cannot be decoded, TakeError for a recording that cannot be used.
        """
        _need_consent(consent)
        spoken = speakable(text).text
        content = encode_take(audio)
        checks = _checked(content, text)
        digest = digest_of(content)
        values = {
            **{"text": text, "spoken": spoken, "voice": voice, "contributor": contributor, "consent": True},
            **{"mark": mark, "digest": digest, "seconds": checks.seconds, "checks": checks.warnings},
        }
        self._keep(digest, content)  # before the transaction, which would make others wait for a slow disk
        with transaction(self.folder) as database:
            self._keep(digest, content)  # again, if a withdrawal of the same audio has removed it since
            return _enter(database, values)

    def get(self, id: str) -> Correction:
        with transaction(self.folder, write=False) as database:
            return queries.find(database, id)

    def corrections(self, state: str | None = None) -> list[Correction]:
        """All corrections, or those in a state, the oldest first."""
        if state is not None and state not in STATES:
            raise FeedbackError(f"There is no state {state!r}. There are: {', '.join(STATES)}.")
        with transaction(self.folder, write=False) as database:
            return queries.listed(database, state)

    def history(self, id: str) -> list[Event]:
        """The events of a correction, the oldest first."""
        with transaction(self.folder, write=False) as database:
            queries.find(database, id)
            return queries.history(database, id)

    def sound(self, correction: Correction) -> Path:
        """Path of its FLAC file. Raises FeedbackError if it was withdrawn or its file is missing."""
        path = self._path(correction.digest)
        if correction.state == "withdrawn" or not path.is_file():
            what = "was withdrawn" if correction.state == "withdrawn" else "is missing; run `kurdtts feedback verify`"
            raise FeedbackError(f"The sound of correction {correction.id} {what}.")
        return path

    def accept(self, id: str) -> Correction:
        """Allow training on a submitted correction; an accepted one stays as it is."""
        with transaction(self.folder) as database:
            correction = queries.find(database, id)
            if correction.state == "accepted":
                return correction
            if correction.state != "submitted":
                raise FeedbackError(f"Correction {id} is {correction.state}; only a submitted one can be accepted.")
            if not correction.text:
                raise FeedbackError(
                    f"Correction {id} has no text. Submit its sound again with the text, or withdraw it."
                )
            _need_consent(correction.consent)
            self.sound(correction)
            queries.change(database, id, {"state": "accepted"}, "accepted")
            return queries.find(database, id)

    def edit_text(self, id: str, text: str) -> Correction:
        """Replace the text; a used correction becomes accepted, because no voice has learned the new text.

        Raises as `submit` does, and FeedbackError if another correction has the same audio with that text.
        """
        spoken = speakable(text).text
        correction = self.get(id)
        checks = _checked(self._read(correction), text)
        with transaction(self.folder) as database:
            correction = queries.find(database, id)
            self.sound(correction)  # not withdrawn in the meantime
            if correction.text == text:
                return correction
            for other in queries.with_sound(database, correction.digest):
                if other.text == text:
                    raise FeedbackError(f"Correction {other.id} is this sound with this text. Withdraw one of the two.")
            state = "accepted" if correction.state == "used" else correction.state
            values = {"text": text, "spoken": spoken, "state": state, "checks": checks.warnings}
            queries.change(database, id, values, queries.EDITED)
            return queries.find(database, id)

    def mark_used(self, ids: Iterable[str], voice: str, read_at: str | None = None) -> list[str]:
        """Record that `voice` was trained with these accepted or used corrections: all of them are marked, or none.

        read_at: when the training read their texts (`queries.now`); one whose text was edited since then stays
        accepted, because `voice` has learned the old text. Returns the ids of those that were withdrawn during the
        training; they make the voice a tainted one.
        """
        if not voice:
            raise FeedbackError("The voice that learned from the corrections needs a name.")
        with transaction(self.folder) as database:
            corrections = [queries.find(database, id) for id in dict.fromkeys(ids)]
            for correction in corrections:
                if correction.state == "submitted":
                    raise FeedbackError(
                        f"Correction {correction.id} is not accepted yet, so no voice may learn from it."
                    )
                keeps = correction.state == "withdrawn" or (
                    read_at is not None and queries.edited_since(database, correction.id, read_at)
                )
                state = correction.state if keeps else "used"
                if state != correction.state or voice not in queries.voices_of(database, correction.id):
                    queries.use(database, correction.id, voice)
                    queries.change(database, correction.id, {"state": state}, "used", voice)
        return [correction.id for correction in corrections if correction.state == "withdrawn"]

    def withdraw(self, id: str, why: str = "") -> list[str]:
        """Remove a correction's text, contributor and audio; returns the voices that were trained with it.

        The audio stays while another correction has the same. Id, time, voice, digest, duration and history are kept.
        """
        with transaction(self.folder) as database:
            correction = queries.find(database, id)
            if correction.state != "withdrawn":
                queries.change(database, id, queries.WITHDRAWN, "withdrawn", why)
            voices = queries.voices_of(database, id)
        # After the row: if killed in between, `verify` finds audio that only a withdrawn row names, and removes it.
        with transaction(self.folder) as database:
            if not queries.with_sound(database, correction.digest):
                _delete(self._path(correction.digest))
        return voices

    def tainted_voices(self) -> dict[str, list[str]]:
        """The voices that were trained with corrections withdrawn since, and the ids of these corrections."""
        with transaction(self.folder, write=False) as database:
            return queries.tainted(database)

    def verify(self, mend: bool = True) -> Verification:
        """Find rows and audio files that do not match; with `mend`, repair what can be repaired. See `verification`."""
        return verification.verify(self.folder, self.sounds, mend)

    def export(self, folder: Path) -> int:
        """Write WAV, TXT and `metadata.csv` to a new or empty folder; returns how many corrections. See `exchange`."""
        return exchange.export([(each, self.sound(each)) for each in self.corrections() if _alive(each)], folder)

    def import_folder(self, folder: Path, *, contributor: str, consent: bool) -> exchange.ImportedCorrections:
        """Submit what `export` or a recording program wrote; `refused` of the result has the files not imported.

        May be repeated after an error: nothing is stored twice.
        """
        _need_consent(consent)
        return exchange.import_folder(
            folder, lambda path, text: self.submit(path, text, contributor=contributor, consent=consent)
        )

    def _path(self, digest: str) -> Path:
        return self.sounds / f"{digest}.flac"

    def _read(self, correction: Correction) -> bytes:
        path = self.sound(correction)
        try:
            return path.read_bytes()
        except OSError as error:
            raise FeedbackError(f"{path} cannot be read ({error.strerror}). Try again.") from error

    def _keep(self, digest: str, content: bytes) -> None:
        """Write an audio file, unless it is there; a damaged one is replaced."""
        path = self._path(digest)
        try:
            if path.is_file() and path.read_bytes() == content:
                return
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            raise FeedbackError(
                f"The recording cannot be written to {path.parent} ({error.strerror or error}), so it is not submitted."
                " Is the disk full? Make room, then submit it again."
            ) from error


def _enter(database: sqlite3.Connection, values: dict) -> Correction:
    """A new correction, or the existing one, or the one that `verify` made for this audio, completed."""
    known = queries.with_sound(database, values["digest"])
    same = [correction for correction in known if correction.text == values["text"]]
    without_text = [correction for correction in known if not correction.text]
    if not same and not without_text:
        return queries.find(database, queries.insert(database, values, "submitted", values["voice"]))
    correction = (same or without_text)[0]
    if not correction.consent:
        queries.change(database, correction.id, values, "submitted", "its sound was here already")
        return queries.find(database, correction.id)
    if values["mark"] not in correction.mark:
        mark = "; ".join(filter(None, (correction.mark, values["mark"])))
        queries.change(database, correction.id, {"mark": mark}, "submitted again", values["voice"])
        correction = queries.find(database, correction.id)
    return dataclasses.replace(correction, repeated=True, checks=[REPEATED, *correction.checks])


def _checked(content: bytes, text: str) -> Checks:
    checks = check_kept(content, text)
    if checks.errors:
        raise TakeError(" ".join(checks.errors))
    return checks


def _need_consent(consent: bool) -> None:
    if not consent:
        raise FeedbackError("Consent is needed: the speaker must agree that voices learn from the recording.")


def _alive(correction: Correction) -> bool:
    return correction.state != "withdrawn"


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FeedbackError(
            f"The correction is withdrawn, but {path} cannot be deleted ({error.strerror}). Close the programs that "
            "use it, then run `kurdtts feedback verify`, which deletes it."
        ) from error
