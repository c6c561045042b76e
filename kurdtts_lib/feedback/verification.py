"""Consistency of rows and audio files, which a killed process, a power cut or manual changes may have broken.

Everything is decided and deleted while the database is locked for writing, and `submit` checks its audio file under
the same lock, so that no file of a submission in progress is removed.
"""

import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from kurdtts_lib.audio.io import header
from kurdtts_lib.core.errors import AudioError, FeedbackError
from kurdtts_lib.feedback import queries
from kurdtts_lib.feedback.database import transaction
from kurdtts_lib.feedback.records import STATES, Correction, Verification
from kurdtts_lib.feedback.takes import digest_of

OWN_NAME = re.compile(r"[0-9a-f]{24}\.flac")
TEMPORARY_NAME = re.compile(r"\.[0-9a-f]{24}-[0-9a-f]{12}\.flac")
"""Names of temporary files of `files.atomic_path`."""
WRITING_SECONDS = 600.0
"""A younger temporary file may still be being written."""
ADOPTED = "Found without a row, so nobody knows its text. Submit this sound again with its text, or withdraw it."


def verify(folder: Path, sounds: Path, mend: bool) -> Verification:
    """Compare every row with the audio files, and every audio file with its name, which is a hash of its content.

    Repaired: audio without a row gets one in state `submitted`, without text or consent (`ADOPTED` is its note); a
    misnamed file is renamed; audio of withdrawn corrections and half-written files are removed; a row in an impossible
    state gets a possible one. Not repairable, and so in `left`: audio that is missing or damaged, and files that are
    not audio. Without `mend` nothing is changed, and every problem is in `left`.
    """
    names = _names(sounds)  # hashing is slow, so it is done before the lock is taken
    with transaction(folder, write=mend) as database:
        return _Verifier(database, sounds, names, mend).run()


def _names(sounds: Path) -> dict[Path, str]:
    """Every file that is not a temporary one, and the name that fits its content."""
    names = {}
    for path in sorted(sounds.iterdir()) if sounds.is_dir() else ():
        if path.is_file() and not TEMPORARY_NAME.fullmatch(path.name):
            try:
                names[path] = digest_of(path.read_bytes())
            except FileNotFoundError:  # withdrawn a moment ago
                continue
            except OSError as error:
                raise FeedbackError(f"{path} cannot be read ({error.strerror}). Close programs that use it.") from error
    return names


class _Verifier:
    def __init__(self, database: sqlite3.Connection, sounds: Path, names: dict[Path, str], mend: bool) -> None:
        self._database = database
        self._sounds = sounds
        self._names = {path: name for path, name in names.items() if path.is_file()}  # still there
        self._mend = mend
        self._mended: list[str] = []
        self._left: list[str] = []

    def run(self) -> Verification:
        self._check_states()
        self._check_database()
        alive = [each for each in queries.listed(self._database) if each.state != "withdrawn"]
        wanted = {each.digest for each in alive}
        withdrawn = {each.digest for each in queries.listed(self._database, "withdrawn")} - wanted
        good = self._check_names(wanted, withdrawn)
        self._check_missing([each for each in alive if each.digest not in good])
        self._check_orphans(good - wanted - withdrawn)
        self._check_others()
        return Verification(len(queries.listed(self._database)), len(good), self._mended, self._left)

    def _repair(self, problem: str, done: str, repair: Callable[[], object]) -> bool:
        """Repair a problem, or report it; returns whether it is repaired."""
        if not self._mend:
            self._left.append(f"{problem} `kurdtts feedback verify` mends it.")
            return False
        try:
            repair()
        except OSError as error:
            self._left.append(f"{problem} It cannot be mended now ({error.strerror}): close programs that use it.")
            return False
        self._mended.append(f"{problem} {done}")
        return True

    def _check_database(self) -> None:
        for (problem,) in self._database.execute("PRAGMA quick_check"):
            if problem != "ok" and not problem.startswith("CHECK"):  # an impossible state, see _check_states
                self._left.append(f"The database says: {problem}. Put back a copy of it.")

    def _check_states(self) -> None:
        for correction in queries.listed(self._database):
            if values := self._valid_values(correction):
                problem = f"Correction {correction.id} cannot be {correction.state!r} with what is known of it."
                self._repair(problem, f"It is {values['state']} now.", self._state_repair(correction.id, values))

    def _state_repair(self, id: str, values: dict) -> Callable[[], object]:
        return lambda: queries.change(self._database, id, values, "put right", f"now {values['state']}")

    def _valid_values(self, correction: Correction) -> dict:
        """The values that make an impossible state a possible one; empty for a possible state."""
        if correction.state == "withdrawn":
            blank = not (correction.text or correction.contributor or correction.consent)
            return {} if blank else queries.WITHDRAWN
        events = [event.what for event in queries.history(self._database, correction.id)]
        if correction.state not in STATES and "withdrawn" in events:
            return queries.WITHDRAWN
        if correction.state not in STATES:
            return {"state": "submitted"}
        if correction.state != "submitted" and not (correction.text and correction.consent):
            return {"state": "submitted"}
        if correction.state == "used" and not queries.voices_of(self._database, correction.id):
            return {"state": "accepted"}
        return {}

    def _check_names(self, wanted: set[str], withdrawn: set[str]) -> set[str]:
        """Rename misnamed audio files; returns the names whose files exist and are undamaged."""
        good = {name for path, name in self._names.items() if path.name == f"{name}.flac"}
        for path, name in self._names.items():
            if name in withdrawn or path.stem in withdrawn:
                problem = f"{path.name} is the sound of a withdrawn correction."
                if self._repair(problem, "It is removed.", path.unlink):
                    good.discard(name)
            elif path.name != f"{name}.flac" and path.stem not in wanted:  # damaged ones: see _check_missing
                ours = name in wanted or (OWN_NAME.fullmatch(path.name) and _seconds(path) is not None)
                if not ours or name in good:
                    self._left.append(f"{path} belongs to no correction. Move it elsewhere, or submit it.")
                elif self._repair(
                    f"{path.name} has the bytes of {name}.flac.", "It is called so now.", self._name_repair(path, name)
                ):
                    good.add(name)
        return good

    def _name_repair(self, path: Path, name: str) -> Callable[[], object]:
        return lambda: path.replace(self._sounds / f"{name}.flac")

    def _check_missing(self, lacking: list[Correction]) -> None:
        todo = "Submit the same recording again with the same text, or withdraw the correction."
        for correction in lacking:
            path = self._sounds / f"{correction.digest}.flac"
            if not path.is_file():
                self._left.append(f"The sound of correction {correction.id} is missing ({path.name}). {todo}")
            elif path in self._names:  # otherwise it was written a moment ago
                self._left.append(f"The sound of correction {correction.id} is damaged ({path.name}). {todo}")

    def _check_orphans(self, names: set[str]) -> None:
        for name in sorted(names):
            seconds = _seconds(self._sounds / f"{name}.flac")
            if seconds is None:
                self._left.append(f"{name}.flac has no correction and cannot be decoded. Move it elsewhere.")
            else:
                problem = f"{name}.flac has no correction."
                self._repair(problem, "It has one without text now.", self._orphan_repair(name, seconds))

    def _orphan_repair(self, name: str, seconds: float) -> Callable[[], object]:
        blank = dict.fromkeys(("text", "spoken", "voice", "contributor", "mark"), "")
        values = {**blank, "consent": False, "digest": name, "seconds": seconds, "checks": [ADOPTED]}
        return lambda: queries.insert(self._database, values, "found by verify")

    def _check_others(self) -> None:
        for path in sorted(self._sounds.iterdir()) if self._sounds.is_dir() else ():
            if not path.is_file():
                self._left.append(f"{path} is no sound. Move it elsewhere.")
            elif TEMPORARY_NAME.fullmatch(path.name):
                if time.time() - path.stat().st_mtime > WRITING_SECONDS:
                    self._repair(f"{path.name} was left half-written.", "It is removed.", path.unlink)
                else:
                    self._left.append(
                        f"{path.name} is being written, or was left half-written. Verify again in ten minutes."
                    )


def _seconds(path: Path) -> float | None:
    """Duration of an audio file, from its header; None for other files."""
    try:
        return header(path)[0]
    except AudioError:  # the caller reports it
        return None
