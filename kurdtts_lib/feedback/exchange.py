"""Export and import of corrections as a folder of WAV and TXT files with a `metadata.csv`."""

from pathlib import Path

import soundfile

from kurdtts_lib.core.errors import AudioError, FeedbackError, TextError
from kurdtts_lib.core.files import atomic_folder, check_own
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import KEPT
from kurdtts_lib.data.sources.folders import open_folder, open_pairs
from kurdtts_lib.feedback.database import Correction
from kurdtts_lib.feedback.store import FeedbackStore, need_consent
from kurdtts_lib.feedback.takes import decode_take


def export(store: FeedbackStore, folder: Path) -> int:
    """Write the store's corrections and their audio to a new or empty folder; returns how many.

    - `<id>.wav`: the audio, 16 bit, sample for sample
    - `<id>.txt`: the text as it was written
    - `metadata.csv`: `file|text`, no header, the text in one line and without `|`, for other programs

    Raises KurdTTSError if the folder is not empty, its subclass FeedbackError if it cannot be written.
    """
    check_own(folder)
    lines = []
    try:
        with atomic_folder(folder) as temporary:
            for correction in store.corrections():
                if correction.state == "withdrawn":
                    continue
                samples, rate = decode_take(store.sound(correction))
                name = f"{correction.id}.wav"
                soundfile.write(temporary / name, samples, rate, subtype="PCM_16")
                _write(temporary / f"{correction.id}.txt", correction.text)
                lines.append(f"{name}|{' '.join(correction.text.replace('|', ' ').split())}\n")
            _write(temporary / "metadata.csv", "".join(lines))
    except (OSError, soundfile.LibsndfileError) as error:
        raise FeedbackError(
            f"The corrections cannot be written to {folder}: {error}. Choose another folder."
        ) from error
    return len(lines)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def import_folder(
    store: FeedbackStore, folder: Path, *, contributor: str, consent: bool
) -> tuple[list[Correction], dict[str, str]]:
    """Submit every audio file of a folder with its text, read as a corpus is. Repeated, it stores nothing twice.

    Returns the corrections, and by file name why the others were not imported.

    `name.txt` beside `name.wav` is preferred to a table: an exported table has lost line ends and `|`. Raises
    FeedbackError or CorpusError if there is nothing to import, and FeedbackError as `submit` does.
    """
    need_consent(consent)
    if not folder.is_dir():
        raise FeedbackError(f"{folder} is no folder. Give the one with the WAV and TXT files.")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    source = open_pairs(folder, files) or open_folder(folder, CorpusSettings())
    taken: list[Correction] = []
    refused: dict[str, str] = {}
    for clip in source.clips():
        try:
            if clip.reason != KEPT:
                raise AudioError(f"This is left out: {clip.reason}.")
            taken.append(store.submit(clip.audio, clip.sentence, contributor=contributor, consent=consent))
        except (AudioError, TextError) as error:
            refused[clip.name] = str(error)
    return taken, refused
