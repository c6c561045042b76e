"""The store of corrections: submissions are durable and atomic, and are used only with their speaker's consent."""

import dataclasses
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from kurdtts_lib.core.errors import FeedbackError, TakeError
from kurdtts_lib.core.files import atomic_folder, atomic_path, check_own, write_text
from kurdtts_lib.core.settings import home
from kurdtts_lib.feedback.database import BLANK, Correction, Table, now, transaction
from kurdtts_lib.feedback.takes import Audio, Checks, Take, check_take, digest_of, speakable, take_of

REPEATED = "This recording with this text was submitted before; it is kept once."
HALF_WRITTEN = re.compile(r"\.[0-9a-f]{24}-[0-9a-f]{12}\.flac")
"""Names of temporary files of `files.atomic_path`. They are written under the database's lock, as everything here."""


class Verification(NamedTuple):
    """The result of `FeedbackStore.verify`."""

    corrections: int
    """Number of rows, including withdrawn ones."""
    sounds: int
    """Number of corrections' audio files whose content is as it was written."""
    mended: list[str]
    """Problems that were repaired, each a sentence."""
    left: list[str]
    """Problems that remain and what to do about them, each a sentence."""

    @property
    def ok(self) -> bool:
        """Whether no problem remains."""
        return not self.left


class FeedbackStore:
    """A folder with `feedback.sqlite` and `sounds/`, safe for concurrent use by threads and processes.

    States: submitted -> accepted -> used, and withdrawn from each of them. Every method may raise FeedbackError: for
    an unknown id (its subclass NotFoundError), a change that the state does not allow, or a disk or database that
    cannot be written.

    Audio files are written and deleted while the database is locked: a file before its row, and after the row that
    withdraws it. So a killed program leaves at most a file that no row needs, and `verify` finds it.
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
        if not consent:
            raise FeedbackError("Consent is needed: the speaker must agree that voices learn from the recording.")
        text = _tidy(text)
        spoken, take = speakable(text).text, take_of(audio)
        checks = _checked(take, text)
        values = {
            **{"text": text, "spoken": spoken, "voice": voice, "contributor": contributor, "consent": True},
            **{"mark": mark, "digest": take.digest, "seconds": checks.seconds, "checks": checks.warnings},
        }
        with transaction(self.folder) as table:
            self._keep(take)
            return _enter(table, values)

    def get(self, id: str) -> Correction:
        with transaction(self.folder, write=False) as table:
            return table.find(id)

    def corrections(self) -> list[Correction]:
        """All corrections, the oldest first."""
        with transaction(self.folder, write=False) as table:
            return table.listed()

    def sound(self, correction: Correction) -> Path:
        """Path of its FLAC file. Raises FeedbackError if it was withdrawn or its file is missing."""
        path = self._path(correction.digest)
        if correction.state == "withdrawn" or not path.is_file():
            what = "was withdrawn" if correction.state == "withdrawn" else "is missing; run `kurdtts feedback verify`"
            raise FeedbackError(f"The sound of correction {correction.id} {what}.")
        return path

    def accept(self, id: str) -> Correction:
        """Allow training on a submitted correction; an accepted one stays as it is."""
        with transaction(self.folder) as table:
            correction = table.find(id)
            if correction.state == "accepted":
                return correction
            if correction.state != "submitted":
                raise FeedbackError(f"Correction {id} is {correction.state}; only a submitted one can be accepted.")
            self.sound(correction)
            return table.change(id, state="accepted")

    def edit_text(self, id: str, text: str) -> Correction:
        """Replace the text; a used correction becomes accepted, because no voice has learned the new text.

        Raises as `submit` does, and FeedbackError if another correction has the same audio with that text.
        """
        text = _tidy(text)
        spoken = speakable(text).text
        with transaction(self.folder) as table:
            correction = table.find(id)
            if correction.text == text:
                return correction
            checks = _checked(take_of(self.sound(correction)), text)
            for other in table.alive(correction.digest):
                if other.text == text:
                    raise FeedbackError(f"Correction {other.id} is this sound with this text. Withdraw one of the two.")
            state = "accepted" if correction.state == "used" else correction.state
            table.run("INSERT OR REPLACE INTO edits VALUES (?, ?)", id, now())
            return table.change(id, text=text, spoken=spoken, state=state, checks=checks.warnings)

    def mark_used(self, ids: Iterable[str], voice: str, read_at: str | None = None) -> None:
        """Record that `voice` was trained with these accepted or used corrections: all of them are marked, or none.

        read_at: when the training read their texts (`database.now`); one whose text was edited since then stays
        accepted, because `voice` has learned the old text. Those that were withdrawn during the training make the
        voice a tainted one.
        """
        with transaction(self.folder) as table:
            for correction in [table.find(id) for id in dict.fromkeys(ids)]:
                id = correction.id
                if correction.state == "submitted":
                    raise FeedbackError(f"Correction {id} is not accepted yet, so no voice may learn from it.")
                table.run("INSERT OR IGNORE INTO uses VALUES (?, ?)", id, voice)
                edited = read_at and table.run("SELECT id FROM edits WHERE id = ? AND time >= ?", id, read_at)
                if correction.state != "withdrawn" and not edited:
                    table.change(id, state="used")

    def withdraw(self, id: str) -> list[str]:
        """Remove a correction's text, contributor and audio; returns the voices that were trained with it.

        The audio stays while another correction has the same. Id, time, voice, digest and duration are kept.
        """
        with transaction(self.folder) as table:
            correction = table.find(id)
            if correction.state != "withdrawn":
                table.change(id, state="withdrawn", checks=[], **BLANK)
            voices = [voice for (voice,) in table.run("SELECT voice FROM uses WHERE id = ? ORDER BY rowid", id)]
        with transaction(self.folder) as table:  # only now: a row that was not written must keep its file
            if not table.alive(correction.digest):
                _delete(self._path(correction.digest))
        return voices

    def tainted_voices(self) -> dict[str, list[str]]:
        """The voices that were trained with corrections withdrawn since, and the ids of these corrections."""
        found: dict[str, list[str]] = {}
        with transaction(self.folder, write=False) as table:
            rows = "uses JOIN corrections USING (id) WHERE state = 'withdrawn' ORDER BY uses.rowid"
            for voice, id in table.run(f"SELECT uses.voice, id FROM {rows}"):
                found.setdefault(voice, []).append(id)
        return found

    def verify(self) -> Verification:
        """Compare every row with the audio files, and every audio file with its name, which is a hash of its content.

        Repaired: audio of withdrawn corrections and half-written files are removed. Not repairable, and so in `left`:
        audio that is missing or damaged, audio without a row (a program was killed before `submit` returned), and other
        files.
        """
        with transaction(self.folder) as table:
            said = [line for (line,) in table.run("PRAGMA quick_check") if line != "ok"]
            left = [f"The database says: {line}. Put back a copy of it." for line in said]
            mended: list[str] = []
            rows = table.listed()
            wanted = {row.digest: row.id for row in rows if row.state != "withdrawn"}
            withdrawn = {row.digest for row in rows} - wanted.keys()
            hashes = {path: _hash(path) for path in sorted(self.sounds.glob("*"))}
            for path, digest in hashes.items():
                name, half = path.name, HALF_WRITTEN.fullmatch(path.name)
                if half or {path.stem, digest} & withdrawn:
                    problem = f"{name} {'was left half-written' if half else 'is the sound of a withdrawn correction'}."
                    try:
                        _delete(path)
                        mended.append(f"{problem} It is removed.")
                    except FeedbackError as error:
                        left.append(f"{problem} {error}")
                elif path.stem not in wanted:
                    left.append(f"{path} belongs to no correction. Submit it with its text, or move it elsewhere.")
            for digest, id in wanted.items():
                path = self._path(digest)
                if hashes.get(path) != digest:
                    left.append(
                        f"The sound of correction {id} is {'damaged' if path in hashes else 'missing'} ({path.name}). "
                        "Submit the same recording again with the same text, or withdraw the correction."
                    )
            whole = sum(hashes.get(self._path(digest)) == digest for digest in wanted)
            return Verification(len(rows), whole, mended, left)

    def export(self, folder: Path) -> int:
        """Write the corrections and their audio to a new or empty folder; returns how many.

        - `<id>.flac`: the audio as it is stored, 16 bit
        - `<id>.txt`: the text as it was written
        - `metadata.csv`: `file|text`, no header, the text in one line and without `|`, for other programs

        Raises KurdTTSError if the folder is not empty, its subclass FeedbackError if it cannot be written.
        """
        check_own(folder)
        lines = []
        try:
            with atomic_folder(folder) as temporary:
                for correction in self.corrections():
                    if correction.state != "withdrawn":
                        name = f"{correction.id}.flac"
                        shutil.copyfile(self.sound(correction), temporary / name)
                        write_text(temporary / f"{correction.id}.txt", correction.text)
                        lines.append(f"{name}|{' '.join(correction.text.replace('|', ' ').split())}\n")
                write_text(temporary / "metadata.csv", "".join(lines))
        except OSError as error:
            message = f"The corrections cannot be written to {folder}: {error}. Choose another folder."
            raise FeedbackError(message) from error
        return len(lines)

    def _path(self, digest: str) -> Path:
        return self.sounds / f"{digest}.flac"

    def _keep(self, take: Take) -> None:
        """Write an audio file, unless it is there; a damaged one is replaced."""
        path = self._path(take.digest)
        try:
            if path.is_file() and path.read_bytes() == take.content:
                return
            with atomic_path(path) as temporary:
                temporary.write_bytes(take.content)
        except OSError as error:
            raise FeedbackError(
                f"The recording cannot be written to {path.parent} ({error.strerror or error}), so it is not submitted."
                " Is the disk full? Make room, then submit it again."
            ) from error


def _enter(table: Table, values: dict) -> Correction:
    """A new correction, or the existing one."""
    correction = next((one for one in table.alive(values["digest"]) if one.text == values["text"]), None)
    if correction is None:
        return table.insert(values)
    if values["mark"] not in correction.mark:
        mark = "; ".join(filter(None, (correction.mark, values["mark"])))
        correction = table.change(correction.id, mark=mark)
    return dataclasses.replace(correction, repeated=True, checks=[REPEATED, *correction.checks])


def _hash(path: Path) -> str:
    try:
        return digest_of(path.read_bytes()) if path.is_file() else "-"
    except OSError as error:
        raise FeedbackError(f"{path} cannot be read ({error.strerror}). Close the programs that use it.") from error


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FeedbackError(
            f"The correction is withdrawn, but {path} cannot be deleted ({error.strerror}). Close the programs that "
            "use it, then run `kurdtts feedback verify`, which deletes it."
        ) from error


def _tidy(text: str) -> str:
    """The text without spaces at the ends of its lines, whose ends become `\n`: the same on every system."""
    return "\n".join(map(str.strip, text.strip().splitlines()))


def _checked(take: Take, text: str) -> Checks:
    checks = check_take(take, text)
    if checks.errors:
        raise TakeError(" ".join(checks.errors))
    return checks
