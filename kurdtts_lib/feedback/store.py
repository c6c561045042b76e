"""The corrections: what was submitted is never lost, half-written or used against its owner's will."""

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
    """A folder with `feedback.sqlite` and `sounds/`; any number of threads and processes may use it at a time.

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
        """Keep a recording of `text`; once this returns, it is safe. `mark`: what was wrong in the voice's speech.

        The same sound and text again is one correction: it is returned with `repeated`, and says so in its `checks`.
        Raises, with nothing written: FeedbackError without consent, TextError for a text that has no reading,
        AudioError for what cannot be decoded, TakeError for a recording that cannot be used.
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
        self._keep(digest, content)  # first, and outside the transaction: others need not wait for a slow disk
        with transaction(self.folder) as database:
            self._keep(digest, content)  # again if a withdrawal of the same sound has removed it since
            return _enter(database, values)

    def get(self, id: str) -> Correction:
        with transaction(self.folder, write=False) as database:
            return queries.find(database, id)

    def corrections(self, state: str | None = None) -> list[Correction]:
        """All, or those of a state, the oldest first."""
        if state is not None and state not in STATES:
            raise FeedbackError(f"There is no state {state!r}. There are: {', '.join(STATES)}.")
        with transaction(self.folder, write=False) as database:
            return queries.listed(database, state)

    def history(self, id: str) -> list[Event]:
        """What happened to a correction, in order."""
        with transaction(self.folder, write=False) as database:
            queries.find(database, id)
            return queries.history(database, id)

    def sound(self, correction: Correction) -> Path:
        """Its FLAC file."""
        path = self._path(correction.digest)
        if correction.state == "withdrawn" or not path.is_file():
            what = "was withdrawn" if correction.state == "withdrawn" else "is missing; run `kurdtts feedback verify`"
            raise FeedbackError(f"The sound of correction {correction.id} {what}.")
        return path

    def accept(self, id: str) -> Correction:
        """A submitted correction may now be learned from; an accepted one stays as it is."""
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
        """Another text for the same sound; a used correction becomes accepted, because no voice knows the new text.

        Raises as `submit` does, also if the sound with that text is another correction already.
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
        """`voice` was trained with these accepted or used corrections: all of them are marked, or none.

        read_at: when the training read their texts (`rows.now`); one that got another text since then stays accepted,
        because `voice` knows only the old one. Returns those that were withdrawn during the training; the voice counts
        as tainted with them.
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
        """Remove a correction's text, contributor and sound; returns the voices that were trained with it.

        The sound stays while another correction has the same. Only the id, the times and the history are left.
        """
        with transaction(self.folder) as database:
            correction = queries.find(database, id)
            if correction.state != "withdrawn":
                queries.change(database, id, queries.WITHDRAWN, "withdrawn", why)
            voices = queries.voices_of(database, id)
        # After the row: killed in between, `verify` finds a sound that only a withdrawn row names, and removes it.
        with transaction(self.folder) as database:
            if not queries.with_sound(database, correction.digest):
                _delete(self._path(correction.digest))
        return voices

    def tainted_voices(self) -> dict[str, list[str]]:
        """The voices that were trained with corrections that are withdrawn by now, and the ids of these."""
        with transaction(self.folder, write=False) as database:
            return queries.tainted(database)

    def verify(self, mend: bool = True) -> Verification:
        """Look for rows and sounds that do not belong together, and `mend` what can be mended; see `verifying`."""
        return verification.verify(self.folder, self.sounds, mend)

    def export(self, folder: Path) -> int:
        """Write WAV, TXT and `metadata.csv` into a new or empty folder; returns how many. See `exchange`."""
        return exchange.export([(each, self.sound(each)) for each in self.corrections() if _alive(each)], folder)

    def import_folder(self, folder: Path, *, contributor: str, consent: bool) -> exchange.ImportedCorrections:
        """Submit what `export` or a recording program wrote: a list with `refused`, the files that were not taken.

        May be repeated after an error: what is there already stays one correction.
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
        """Write a sound, unless it is there; a damaged one is replaced."""
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
    """A new row, or the one that is there already, or the one that `verify` made for this sound, completed."""
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
