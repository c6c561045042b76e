"""Consistency of rows and audio files, which a killed process, a power cut or manual changes may have broken."""

import re
from pathlib import Path
from typing import NamedTuple

from kurdtts_lib.audio.io import header
from kurdtts_lib.core.errors import FeedbackError
from kurdtts_lib.feedback.database import BLANK, transaction
from kurdtts_lib.feedback.takes import digest_of

HALF_WRITTEN = re.compile(r"\.[0-9a-f]{24}-[0-9a-f]{12}\.flac")
"""Names of temporary files of `files.atomic_path`. They are written under the database's lock, as everything here."""
ADOPTED = "Found without a row, so nobody knows its text. Submit this sound again with its text, or withdraw it."


class Verification(NamedTuple):
    """The result of `verify`."""

    corrections: int
    """Number of rows, including withdrawn ones."""
    sounds: int
    """Number of audio files whose content is as it was written."""
    mended: list[str]
    """Problems that were repaired, each a sentence."""
    left: list[str]
    """Problems that remain and what to do about them, each a sentence."""

    @property
    def ok(self) -> bool:
        """Whether no problem remains."""
        return not self.left


def verify(folder: Path, sounds: Path) -> Verification:
    """Compare every row with the audio files, and every audio file with its name, which is a hash of its content.

    Repaired: audio without a row gets one in state `submitted`, without text or consent (`ADOPTED` is its note);
    audio of withdrawn corrections and half-written files are removed. Not repairable, and so in `left`: audio that is
    missing or damaged, and other files.
    """
    with transaction(folder) as table:
        said = [line for (line,) in table.run("PRAGMA quick_check") if line != "ok"]
        left = [f"The database says: {line}. Put back a copy of it." for line in said]
        mended: list[str] = []
        rows = table.listed()
        wanted = {row.digest: row.id for row in rows if row.state != "withdrawn"}
        withdrawn = {row.digest for row in rows} - wanted.keys()
        hashes = {path: _hash(path) for path in sorted(sounds.glob("*"))}
        for path, digest in hashes.items():
            name, half = path.name, HALF_WRITTEN.fullmatch(path.name)
            if half or {path.stem, digest} & withdrawn:
                problem = f"{name} {'was left half-written' if half else 'is the sound of a withdrawn correction'}."
                try:
                    delete(path)
                    mended.append(f"{problem} It is removed.")
                except FeedbackError as error:
                    left.append(f"{problem} {error}")
            elif name == f"{digest}.flac" and digest not in wanted:
                values = {**BLANK, "voice": "", "digest": digest, "seconds": header(path)[0], "checks": [ADOPTED]}
                table.insert(values, "found by verify")
                mended.append(f"{name} had no correction. It has one without text now.")
            elif path.stem not in wanted:
                left.append(f"{path} belongs to no correction. Move it elsewhere, or submit it.")
        for digest, id in wanted.items():
            path = sounds / f"{digest}.flac"
            if hashes.get(path) != digest:
                left.append(
                    f"The sound of correction {id} is {'damaged' if path in hashes else 'missing'} ({path.name}). "
                    "Submit the same recording again with the same text, or withdraw the correction."
                )
        whole = [path for path, digest in hashes.items() if path.name == f"{digest}.flac" and path.exists()]
        return Verification(len(table.listed()), len(whole), mended, left)


def _hash(path: Path) -> str:
    try:
        return digest_of(path.read_bytes()) if path.is_file() else "-"
    except OSError as error:
        raise FeedbackError(f"{path} cannot be read ({error.strerror}). Close the programs that use it.") from error


def delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FeedbackError(
            f"The correction is withdrawn, but {path} cannot be deleted ({error.strerror}). Close the programs that "
            "use it, then run `kurdtts feedback verify`, which deletes it."
        ) from error
