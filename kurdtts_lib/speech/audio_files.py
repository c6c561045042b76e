"""Speech as audio files in common formats, written while it is synthesised, with subtitles beside them."""

import dataclasses
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from kurdtts_lib.audio.io import resample, sixteen_bits
from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.files import atomic_path, write_text
from kurdtts_lib.speech.synthesis import Speaker, SpokenClause, stream

FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}
"""File extensions, with libsndfile's names of container and encoding. None needs FFmpeg."""
PCM_RATE = 24_000
"""Hertz. Raw samples carry no sampling rate, and clients of OpenAI's speech API expect this one."""


def save_speech(
    voice: Speaker,
    text: str,
    target: Path,
    subtitles: str | None = None,
    progress: Callable[[int, str, int], None] | None = None,
    **options: Any,
) -> float:
    """Synthesise `text` to the audio file `target`; returns its seconds. Only one clause at a time is in memory.

    target: its extension is one of `FORMATS`. subtitles: "sentences" or "words" also writes a file of the same
    name with the extension .srt. progress: called with the number of characters done, the activity, and the number of
    all characters. options: those of `stream`. Raises AudioError for another extension, TextError as `stream` does. An
    existing file is replaced only when the new one is complete.
    """
    extension = target.suffix.lower().removeprefix(".")
    if extension not in FORMATS:
        endings = ", ".join(f".{ending}" for ending in FORMATS)
        raise AudioError(f"{target} names no form of sound. Let the name end in one of: {endings}.")
    container, subtype = FORMATS[extension]
    rate = voice.sampling_rate
    clauses = stream(voice, text, **options)
    spoken, characters, seconds = [], 0, 0.0
    with atomic_path(target) as temporary:
        with soundfile.SoundFile(temporary, "w", rate, 1, format=container, subtype=subtype) as file:
            for clause in clauses:
                _write(file, clause.waveform, rate)
                seconds += len(clause.waveform) / rate
                characters += len(clause.text)
                if subtitles:
                    spoken.append(dataclasses.replace(clause, waveform=np.empty(0)))
                if progress:
                    progress(characters, "speaking", len(text))
        if subtitles:
            write_text(target.with_suffix(".srt"), srt(spoken, words=subtitles == "words"))
    return seconds


def _write(file: Any, waveform: np.ndarray, rate: int) -> None:
    samples = sixteen_bits(waveform)
    for begin in range(0, len(samples), rate):  # in pieces: a long waveform overflows the stack of the encoders
        file.write(samples[begin : begin + rate])


def encode_sound(waveform: np.ndarray, rate: int, file_format: str) -> bytes:
    """The waveform, (samples,), at `rate` Hz as a file of one of `FORMATS`; "pcm": 16-bit samples at `PCM_RATE`."""
    if file_format == "pcm":
        return sixteen_bits(resample(waveform, rate, PCM_RATE)).tobytes()
    container, subtype = FORMATS[file_format]
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, 1, format=container, subtype=subtype) as file:
        _write(file, waveform, rate)
    return buffer.getvalue()


def srt(clauses: Iterable[SpokenClause], words: bool = False) -> str:
    """Subtitles in SubRip format (.srt): one for each sentence, or for each word."""
    rows = [word for clause in clauses for word in clause.words] if words else _sentences(clauses)
    return "\n".join(
        f"{number}\n{_clock(start)} --> {_clock(end)}\n{' '.join(text.split())}\n"
        for number, (text, start, end) in enumerate(rows, 1)
    )


def _sentences(clauses: Iterable[SpokenClause]) -> list[tuple[str, float, float]]:
    rows: list[tuple[str, float, float]] = []
    begins = True
    for clause in clauses:
        text, start = (clause.text, clause.start) if begins else (f"{rows[-1][0]} {clause.text}", rows.pop()[1])
        rows.append((text, start, clause.end))
        begins = clause.ends_sentence
    return rows


def _clock(seconds: float) -> str:
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"
