"""Encoding of takes for the store: FLAC, 16 bit, with the channels and the sampling rate of the source."""

import hashlib
import io
from pathlib import Path

import numpy as np
import soundfile

from kurdtts_lib.audio.io import header, read
from kurdtts_lib.core.errors import AudioError, TakeError

Audio = bytes | Path | tuple[np.ndarray, int]
"""A file's bytes, its path, or samples with their rate in Hz: (samples,) or (samples, channels), int16 or float in
[-1, 1]."""
LONGEST_SECONDS = 60.0
"""A correction is one sentence. The recorder stops at this length."""


def encode_take(audio: Audio) -> bytes:
    """The take as a FLAC file, lossless for 16-bit sources; the same samples give the same bytes.

    Raises AudioError if it cannot be decoded or encoded, TakeError if it is empty or longer than `LONGEST_SECONDS`.
    """
    if not isinstance(audio, tuple):
        _check_length(_header_seconds(audio))  # before decoding: a small file may hold hours
        waveform, rate = read(audio)
    else:
        waveform, rate = audio
    samples = _sixteen_bits(waveform)
    if rate <= 0 or len(samples) == 0:
        raise TakeError(f"This recording holds no sound at all ({len(samples)} samples at {rate} Hz). Record again.")
    _check_length(len(samples) / rate)
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, samples, rate, format="FLAC", subtype="PCM_16")
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        channels = samples.shape[1] if samples.ndim == 2 else 1
        raise AudioError(
            f"A recording of {channels} channels at {rate} Hz cannot be kept. Give it one or two channels and a usual "
            "rate such as 48000 Hz."
        ) from error
    return buffer.getvalue()


def decode_take(source: bytes | Path) -> tuple[np.ndarray, int]:
    """A stored take's exact samples, (samples, channels), int16, and its rate in Hz. Raises AudioError if damaged."""
    waveform, rate = read(source)
    return _sixteen_bits(waveform), rate


def digest_of(content: bytes) -> str:
    """The name of a stored take: the first 24 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(content).hexdigest()[:24]


def _header_seconds(source: bytes | Path) -> float:
    if isinstance(source, Path) and not source.is_file():
        raise AudioError(f"{source} does not exist. Check the name.")
    return header(source)[0]


def _check_length(seconds: float) -> None:
    if seconds > LONGEST_SECONDS:
        raise TakeError(
            f"This recording is {seconds:.1f} s long; {LONGEST_SECONDS:g} s is the most. Record one sentence at a time."
        )


def _sixteen_bits(waveform: np.ndarray) -> np.ndarray:
    if waveform.ndim not in (1, 2) or not (waveform.dtype == np.int16 or np.issubdtype(waveform.dtype, np.floating)):
        raise AudioError(
            f"Samples of type {waveform.dtype} and shape {waveform.shape} are no recording. Give (samples,) or "
            "(samples, channels), int16 or float."
        )
    if waveform.dtype == np.int16:
        return waveform
    if not np.isfinite(waveform).all():
        raise AudioError("This recording holds samples that are not numbers. Record again.")
    # 32768 and not 32767: restores 16-bit samples that were decoded to float exactly
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)
