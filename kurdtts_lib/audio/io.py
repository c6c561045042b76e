"""Audio files: decodes what libsndfile reads to mono float32 at one sampling rate, and writes WAV."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soundfile
import soxr

from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.files import atomic_path

Content = TypeVar("Content")


def decode(source: bytes | Path, sampling_rate: int) -> np.ndarray:
    """Decode MP3, FLAC, OGG or WAV to mono at `sampling_rate` Hz.

    Returns (samples,), float32 in about [-1, 1]: channels are averaged, then resampled (soxr, high quality).
    Raises AudioError if nothing can be decoded or a sample is not finite.
    """
    waveform, rate = read(source)
    resampled = resample(to_mono(waveform), rate, sampling_rate)
    if len(resampled) == 0:
        raise AudioError(f"{_name(source)} holds no sound at all ({len(waveform)} samples at {rate} Hz).")
    return resampled


def to_mono(channels: np.ndarray) -> np.ndarray:
    """(samples, channels) to (samples,): their mean."""
    return channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)


def resample(waveform: np.ndarray, rate: int, sampling_rate: int) -> np.ndarray:
    """(samples,) at `rate` Hz to (samples,) at `sampling_rate` Hz: soxr, high quality."""
    return waveform if rate == sampling_rate else soxr.resample(waveform, rate, sampling_rate, quality="HQ")


def read(source: bytes | Path) -> tuple[np.ndarray, int]:
    """Decode to (samples, channels), float32, and the sampling rate in Hz. Raises AudioError as `decode` does."""
    waveform, rate = _with(source, lambda file: soundfile.read(file, dtype="float32", always_2d=True))
    if not np.isfinite(waveform).all():
        raise AudioError(f"{_name(source)} holds samples that are not numbers.")
    return waveform, rate


def header(source: bytes | Path) -> tuple[float, int, int]:
    """(seconds, sampling rate in Hz, channels) without decoding the samples. Raises AudioError as `decode` does."""
    info = _with(source, soundfile.info)
    return info.frames / info.samplerate, info.samplerate, info.channels


def _with(source: bytes | Path, read: Callable[[Any], Content]) -> Content:
    if isinstance(source, Path) and not source.is_file():
        raise AudioError(f"{source} does not exist.")
    try:
        return read(io.BytesIO(source) if isinstance(source, bytes) else source)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, OverflowError, MemoryError) as error:
        # libsndfile's own message; str() would add a memory address, which differs at each run
        reason = error.error_string.strip() if isinstance(error, soundfile.LibsndfileError) else str(error)
        raise AudioError(
            f"{_name(source)} cannot be decoded ({reason}). MP3, FLAC, OGG and WAV can; m4a and webm cannot: convert "
            "them to WAV first."
        ) from error


def _name(source: bytes | Path) -> str:
    return f"This audio ({len(source)} bytes)" if isinstance(source, bytes) else str(source)


def write_wav(target: Path, waveform: np.ndarray, sampling_rate: int, durable: bool = True) -> None:
    """Write mono float32 as 16-bit WAV, atomically. Samples beyond [-1, 1] are clipped: wrapping around would crackle.

    `durable` as in `core.files.atomic_path`.
    """
    with atomic_path(target, durable) as temporary:
        temporary.write_bytes(wav_bytes(waveform, sampling_rate))


def wav_bytes(waveform: np.ndarray, sampling_rate: int) -> bytes:
    """(samples,) or (samples, channels) as a 16-bit WAV file in memory, clipped as in `write_wav`."""
    buffer = io.BytesIO()
    soundfile.write(buffer, sixteen_bits(waveform), sampling_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def sixteen_bits(waveform: np.ndarray) -> np.ndarray:
    """Float samples as little-endian int16; those beyond [-1, 1] are clipped: wrapping around would crackle."""
    return np.rint(np.clip(waveform, -1.0, 1.0) * 32767).astype("<i2")
