"""Export of corrections as a folder of FLAC and TXT files with a `metadata.csv`."""

import shutil
from pathlib import Path

from kurdtts_lib.core.errors import FeedbackError
from kurdtts_lib.core.files import atomic_folder, check_own, write_text
from kurdtts_lib.feedback.store import FeedbackStore


def export(store: FeedbackStore, folder: Path) -> int:
    """Write the store's corrections and their audio to a new or empty folder; returns how many.

    - `<id>.flac`: the audio as it is stored, 16 bit
    - `<id>.txt`: the text as it was written
    - `metadata.csv`: `file|text`, no header, the text in one line and without `|`, for other programs

    Raises KurdTTSError if the folder is not empty, its subclass FeedbackError if it cannot be written.
    """
    check_own(folder)
    lines = []
    try:
        with atomic_folder(folder) as temporary:
            for correction in store.corrections():
                if correction.state != "withdrawn":
                    name = f"{correction.id}.flac"
                    shutil.copyfile(store.sound(correction), temporary / name)
                    write_text(temporary / f"{correction.id}.txt", correction.text)
                    lines.append(f"{name}|{' '.join(correction.text.replace('|', ' ').split())}\n")
            write_text(temporary / "metadata.csv", "".join(lines))
    except OSError as error:
        raise FeedbackError(
            f"The corrections cannot be written to {folder}: {error}. Choose another folder."
        ) from error
    return len(lines)
