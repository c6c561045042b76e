"""Export of corrections as a folder of WAV and TXT files with a `metadata.csv`."""

from pathlib import Path

import soundfile

from kurdtts_lib.core.errors import FeedbackError
from kurdtts_lib.core.files import atomic_folder, check_own
from kurdtts_lib.feedback.store import FeedbackStore
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
