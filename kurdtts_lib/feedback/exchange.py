"""Export and import of corrections as a folder of WAV and TXT files with a `metadata.csv`."""

from collections.abc import Callable, Iterable
from pathlib import Path

import soundfile

from kurdtts_lib.core.errors import AudioError, FeedbackError, TextError
from kurdtts_lib.core.files import atomic_folder, check_own
from kurdtts_lib.feedback.records import Correction
from kurdtts_lib.feedback.takes import decode_take

TABLE = "metadata.csv"
AUDIO_SUFFIXES = frozenset((".wav", ".flac", ".mp3", ".ogg"))
MAX_TEXT_BYTES = 1_000_000
"""A larger text file cannot be a sentence, and is not read."""


class ImportedCorrections(list[Correction]):
    """The imported corrections, in the order of the files."""

    refused: dict[str, str]
    """The files and lines that were not imported, and why."""


def export(corrections: Iterable[tuple[Correction, Path]], folder: Path) -> int:
    """Write corrections and their audio to a new or empty folder; returns how many.

    - `<id>.wav`: the audio, 16 bit, sample for sample
    - `<id>.txt`: the text as it was written
    - `metadata.csv`: `file|text`, no header, the text in one line and without `|`, for other programs

    Raises KurdTTSError if the folder is not empty, its subclass FeedbackError if it cannot be written.
    """
    check_own(folder)
    lines = []
    try:
        with atomic_folder(folder) as temporary:
            for correction, path in corrections:
                samples, rate = decode_take(path)
                name = f"{correction.id}.wav"
                soundfile.write(temporary / name, samples, rate, subtype="PCM_16")
                _write(temporary / f"{correction.id}.txt", correction.text)
                lines.append(f"{name}|{' '.join(correction.text.replace('|', ' ').split())}\n")
            _write(temporary / TABLE, "".join(lines))
    except (OSError, soundfile.LibsndfileError) as error:
        raise FeedbackError(
            f"The corrections cannot be written to {folder}: {error}. Choose another folder."
        ) from error
    return len(lines)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")  # no conversion of line ends: import must restore the text


def import_folder(folder: Path, submit: Callable[[Path, str], Correction]) -> ImportedCorrections:
    """Submit every audio file of a folder with its text, from `name.txt` beside `name.wav` or else from `metadata.csv`.

    Raises FeedbackError if there is no such folder or nothing in it to import, and where `submit` does. AudioError and
    TextError of a file are not raised: they are in `refused` of the result.
    """
    if not folder.is_dir():
        raise FeedbackError(f"{folder} is no folder. Give the one with the WAV and TXT files.")
    imported = ImportedCorrections()
    refused: dict[str, str] = {}
    for path, text in _texts(folder, refused).items():
        try:
            imported.append(submit(path, text))
        except (AudioError, TextError) as error:
            refused[_name(path, folder)] = str(error)
    if not imported and not refused:
        raise FeedbackError(f"{folder} holds neither sounds with texts beside them nor a {TABLE}.")
    imported.refused = refused
    return imported


def _texts(folder: Path, refused: dict[str, str]) -> dict[Path, str]:
    """The text of each audio file; files without one, or outside the folder, are added to `refused`."""
    texts = _table(folder, refused)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / TABLE)
    for path in files:
        name = _name(path, folder)
        if path.suffix.lower() in AUDIO_SUFFIXES:
            beside = path.with_suffix(".txt")
            if beside.is_file():
                _read_text(texts, refused, folder, path, beside)
            elif path not in texts and name not in refused:
                refused[name] = f"There is no text: neither {beside.name} nor a line of {TABLE}."
        elif path.suffix.lower() != ".txt":
            refused[name] = "This is no WAV, FLAC, MP3 or OGG file."
        elif not any(path.with_suffix(suffix) in files for suffix in AUDIO_SUFFIXES):
            refused[name] = "There is no sound beside this text."
    return texts


def _read_text(texts: dict[Path, str], refused: dict[str, str], folder: Path, path: Path, beside: Path) -> None:
    """Read the text of the audio file `path` from `beside`. It overrides the table's, which has lost its line ends."""
    texts.pop(path, None)
    for file in (path, beside):
        if not _inside(file, folder):
            refused[_name(path, folder)] = f"{file.name} leads out of the folder."
            return
    try:
        if beside.stat().st_size > MAX_TEXT_BYTES:
            refused[_name(path, folder)] = f"{beside.name} is too large for a text."
            return
        # not read_text, which would change the line ends
        texts[path] = beside.read_bytes().decode("utf-8").removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError) as error:
        refused[_name(path, folder)] = f"{beside.name} cannot be read as UTF-8 text ({error}). Save it as UTF-8."


def _table(folder: Path, refused: dict[str, str]) -> dict[Path, str]:
    """The texts of the table's lines `file|text`, by path; empty without a table."""
    table = folder / TABLE
    if not table.is_file():
        return {}
    try:
        lines = table.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FeedbackError(f"{table} cannot be read as UTF-8 text ({error}). Save it as UTF-8.") from error
    texts: dict[Path, str] = {}
    for number, line in enumerate(lines, 1):
        name, bar, text = line.strip("\r").partition("|")
        place = f"{TABLE}, line {number}"
        path = folder / name
        if not line.strip():
            continue
        if not bar or "|" in text or not name.strip():
            refused[place] = "It must be `file|text`."
        elif "\0" in name or not _inside(path, folder):
            refused[place] = f"{name!r} lies outside the folder."
        elif not path.is_file():
            refused[place] = f"{name!r} does not exist."
        elif path in texts and texts[path] != text:
            refused[place] = f"{name!r} has another text in a line before."
        else:
            texts[path] = text
    return texts


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
