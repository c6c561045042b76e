"""Speech as a file that any player reads, written while it is spoken."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from kurdtts_lib.audio.io import resample, sixteen_bits
from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.files import atomic_path, write_text
from kurdtts_lib.speech.subtitles import srt
from kurdtts_lib.speech.synthesis import Speaker, stream

FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}
"""The ending of a file, and libsndfile's names of what it holds. All are written without FFmpeg."""
PCM_RATE = 24_000
"""Hertz. Raw samples do not tell their rate, and programs written for OpenAI's service expect this one."""


def save_speech(
    voice: Speaker,
    text: str,
    target: Path,
    seed: int = 1,
    speed: float = 1.0,
    noise_scale: float = 1.0,
    subtitles: str | None = None,
    progress: Callable[[int, str, int], None] | None = None,
) -> float:
    """Speak `text` into `target`, a file of one of `FORMATS`; its seconds. Of a long text only a clause is in memory.

    subtitles: "sentences" or "words" also writes a file beside it, of the same name with the ending .srt.
    progress: called with how many characters are spoken, what is done, and how many there are.
    Raises AudioError for another ending, TextError as `stream`. An earlier file stays until the new one is whole.
    """
    container, subtype = _form(target)
    rate = voice.sampling_rate
    clauses = stream(voice, text, seed, speed, noise_scale)
    told, characters, seconds = [], 0, 0.0
    with atomic_path(target) as temporary:
        with soundfile.SoundFile(temporary, "w", rate, 1, format=container, subtype=subtype) as file:
            for clause in clauses:
                _write(file, clause.waveform, rate)
                seconds += len(clause.waveform) / rate
                characters += len(clause.text)
                if subtitles:
                    told.append(dataclasses.replace(clause, waveform=np.empty(0)))
                if progress:
                    progress(characters, "speaking", len(text))
        if subtitles:
            write_text(target.with_suffix(".srt"), srt(told, words=subtitles == "words"))
    return seconds


def _form(target: Path) -> tuple[str, str]:
    form = FORMATS.get(target.suffix.lower().removeprefix("."))
    if form is None:
        endings = ", ".join(f".{ending}" for ending in FORMATS)
        raise AudioError(f"{target} names no form of sound. Let the name end in one of: {endings}.")
    return form


def _write(file: Any, waveform: np.ndarray, rate: int) -> None:
    samples = sixteen_bits(waveform)
    for begin in range(0, len(samples), rate):  # in one piece, the encoders of a long sound overflow the stack
        file.write(samples[begin : begin + rate])


def encode_sound(waveform: np.ndarray, rate: int, file_format: str) -> bytes:
    """(samples,) at `rate` Hz as the bytes of a file of one of `FORMATS`, or "pcm": 16-bit samples at `PCM_RATE`."""
    if file_format == "pcm":
        return sixteen_bits(resample(waveform, rate, PCM_RATE)).tobytes()
    container, subtype = FORMATS[file_format]
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, 1, format=container, subtype=subtype) as file:
        _write(file, waveform, rate)
    return buffer.getvalue()
