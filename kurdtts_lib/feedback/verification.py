"""Consistency of rows and audio files, which a killed process, a power cut or manual changes may have broken."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from kurdtts_lib.audio.io import header
from kurdtts_lib.core.errors import FeedbackError
from kurdtts_lib.feedback.database import BLANK, Table, transaction
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


class Problem(NamedTuple):
    sentence: str
    done: str = ""
    """What `repair` did, as a sentence."""
    repair: Callable[[], object] | None = None


def verify(folder: Path, sounds: Path, mend: bool) -> Verification:
    """Compare every row with the audio files, and every audio file with its name, which is a hash of its content.

    Repaired: audio without a row gets one in state `submitted`, without text or consent (`ADOPTED` is its note);
    audio of withdrawn corrections and half-written files are removed. Not repairable, and so in `left`: audio that is
    missing or damaged, and other files. Without `mend` nothing is changed, and every problem is in `left`.
    """
    known = {}
    for path in _files(sounds):  # hashing is slow, so it is done before the lock is taken
        with suppress(OSError, FeedbackError):  # withdrawn a moment ago, or read again below
            known[path] = _hash(path)
    mended: list[str] = []
    left: list[str] = []
    with transaction(folder, write=mend) as table:
        hashes = {path: known.get(path) or _hash(path) for path in _files(sounds)}
        for problem in list(_problems(table, sounds, hashes)):
            try:
                if problem.repair and mend:
                    problem.repair()
                    mended.append(f"{problem.sentence} {problem.done}")
                else:
                    left.append(f"{problem.sentence} {'`kurdtts feedback verify` mends it.' * bool(problem.repair)}")
            except FeedbackError as error:
                left.append(f"{problem.sentence} {error}")
        whole = {digest for path, digest in hashes.items() if path.name == f"{digest}.flac" and path.is_file()}
        return Verification(len(table.listed()), len(whole), mended, left)


def _problems(table: Table, sounds: Path, hashes: dict[Path, str]) -> Iterator[Problem]:
    for (said,) in table.run("PRAGMA quick_check"):
        if said != "ok":
            yield Problem(f"The database says: {said}. Put back a copy of it.")
    rows = table.listed()
    wanted = {row.digest: row.id for row in rows if row.state != "withdrawn"}
    withdrawn = {row.digest for row in rows} - wanted.keys()
    for path, digest in hashes.items():
        name, remove = path.name, partial(delete, path)
        if HALF_WRITTEN.fullmatch(name):
            yield Problem(f"{name} was left half-written.", "It is removed.", remove)
        elif {path.stem, digest} & withdrawn:
            yield Problem(f"{name} is the sound of a withdrawn correction.", "It is removed.", remove)
        elif name == f"{digest}.flac" and digest not in wanted:
            values = {**BLANK, "voice": "", "digest": digest, "seconds": header(path)[0], "checks": [ADOPTED]}
            insert = partial(table.insert, values, "found by verify")
            yield Problem(f"{name} has no correction.", "It has one without text now.", insert)
        elif path.stem not in wanted:
            yield Problem(f"{path} belongs to no correction. Move it elsewhere, or submit it.")
    for digest, id in wanted.items():
        path = sounds / f"{digest}.flac"
        if hashes.get(path) != digest:
            yield Problem(
                f"The sound of correction {id} is {'damaged' if path in hashes else 'missing'} ({path.name}). Submit "
                "the same recording again with the same text, or withdraw the correction."
            )


def _files(sounds: Path) -> list[Path]:
    return sorted(sounds.iterdir()) if sounds.is_dir() else []


def _hash(path: Path) -> str:
    return digest_of(read(path)) if path.is_file() else "-"


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
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
