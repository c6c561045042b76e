"""Audio files and levels: decodes what libsndfile reads to mono float32 at one sampling rate, and writes WAV."""

import functools
import io
import wave
from pathlib import Path

import numpy as np
import pyloudnorm
import scipy.signal
import soundfile
import soxr

from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.files import atomic_path


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
    waveform, rate = _read(source)
    if not np.isfinite(waveform).all():
        raise AudioError(f"{_name(source)} holds samples that are not numbers.")
    return waveform, rate


def _read(source: bytes | Path) -> tuple[np.ndarray, int]:
    if isinstance(source, Path) and not source.is_file():
        raise AudioError(f"{source} does not exist.")
    try:
        return soundfile.read(
            io.BytesIO(source) if isinstance(source, bytes) else source, dtype="float32", always_2d=True
        )
    except (soundfile.LibsndfileError, RuntimeError, ValueError, OverflowError, MemoryError) as error:
        raise _undecodable(source, error) from error


def header(source: bytes | Path) -> tuple[float, int, int]:
    """(seconds, sampling rate in Hz, channels) without decoding the samples. Raises AudioError as `decode` does."""
    try:
        info = soundfile.info(io.BytesIO(source) if isinstance(source, bytes) else source)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, OverflowError) as error:
        raise _undecodable(source, error) from error
    return info.frames / info.samplerate, info.samplerate, info.channels


def _undecodable(source: bytes | Path, error: Exception) -> AudioError:
    return AudioError(
        f"{_name(source)} cannot be decoded ({_reason(error)}). MP3, FLAC, OGG and WAV can; m4a and webm cannot: "
        "convert them to WAV first."
    )


def _reason(error: Exception) -> str:
    # libsndfile's own message; str() would add a memory address, which differs at each run
    return error.error_string.strip() if isinstance(error, soundfile.LibsndfileError) else str(error)


def _name(source: bytes | Path) -> str:
    return f"This audio ({len(source)} bytes)" if isinstance(source, bytes) else str(source)


def write_wav(target: Path, waveform: np.ndarray, sampling_rate: int, durable: bool = True) -> None:
    """Write mono float32 as 16-bit WAV, atomically. Samples beyond [-1, 1] are clipped: wrapping around would crackle.

    `durable` as in `core.files.atomic_path`.
    """
    samples = sixteen_bits(waveform)
    with atomic_path(target, durable) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sampling_rate)
        file.writeframes(samples.tobytes())


def wav_bytes(waveform: np.ndarray, sampling_rate: int) -> bytes:
    """(samples,) or (samples, channels) as a 16-bit WAV file in memory, clipped as in `write_wav`."""
    buffer = io.BytesIO()
    soundfile.write(buffer, sixteen_bits(waveform), sampling_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def sixteen_bits(waveform: np.ndarray) -> np.ndarray:
    """Float samples as little-endian int16; those beyond [-1, 1] are clipped: wrapping around would crackle."""
    return np.rint(np.clip(waveform, -1.0, 1.0) * 32767).astype("<i2")


def loudness(waveform: np.ndarray, sampling_rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4, which EBU R128 uses), -inf if all blocks are below its gate.

    It is defined for blocks of 0.4 s; a shorter waveform (samples,) is repeated until it fills one.
    The filters are pyloudnorm's, and so are the positions of the blocks; pyloudnorm's own loop over them takes three
    times as long as this function, a third of the whole preparation of a corpus.
    """
    block = -(-2 * sampling_rate // 5)
    if len(waveform) < block:
        waveform = np.resize(waveform, block)
    filtered = scipy.signal.sosfilt(_k_weighting(sampling_rate), waveform)
    index = np.arange(round((len(waveform) / sampling_rate - 0.4) / 0.1) + 1)
    first = (0.4 * (0.25 * index) * sampling_rate).astype(int)
    last = np.minimum(len(waveform), (0.4 * (0.25 * index + 1) * sampling_rate).astype(int))
    powers = _energies(filtered, first, last) / (0.4 * sampling_rate)
    audible = powers[powers >= 10 ** ((-70 + 0.691) / 10)]
    if len(audible) == 0:
        return -np.inf
    return float(-0.691 + 10 * np.log10(audible[audible > audible.mean() / 10].mean()))


@functools.lru_cache(maxsize=4)
def _k_weighting(sampling_rate: int) -> np.ndarray:
    """The two K-weighting filters of BS.1770 as second-order sections, (2, 6)."""
    filters = pyloudnorm.Meter(sampling_rate)._filters.values()
    return np.array([[*one.b, *one.a] for one in filters])


def trim_silence(waveform: np.ndarray, sampling_rate: int, top_db: float, pad_seconds: float) -> np.ndarray:
    """(samples,) without edges `top_db` below the loudest 50 ms, but with `pad_seconds` around the speech.

    The level at every 10 ms is the root mean square of the 50 ms around it.
    """
    return waveform[voiced_part(frame_levels(waveform, sampling_rate), sampling_rate, top_db, pad_seconds)]


def voiced_part(levels: np.ndarray, sampling_rate: int, top_db: float, pad_seconds: float) -> slice:
    """The slice of samples that `trim_silence` keeps. levels: the waveform's `frame_levels`."""
    voiced = voiced_frames(levels, top_db)
    if len(voiced) == 0:
        return slice(None)
    hop, pad = sampling_rate // 100, round(pad_seconds * sampling_rate)
    return slice(max(0, voiced[0] * hop - pad), (voiced[-1] + 1) * hop + pad)


def voiced_frames(levels: np.ndarray, top_db: float) -> np.ndarray:
    """Indices of the levels that are less than `top_db` below the loudest one."""
    return np.flatnonzero(levels > levels.max() * 10 ** (-top_db / 20))


def frame_levels(waveform: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Root mean square of the 50 ms around every 10 ms, (ceil(samples * 100 / sampling_rate),)."""
    window, hop = sampling_rate // 20, sampling_rate // 100
    centres = np.arange(0, max(1, len(waveform)), hop)
    first = np.maximum(0, centres - window // 2)
    last = np.minimum(len(waveform), centres + window // 2)
    return np.sqrt(_energies(waveform, first, last) / np.maximum(1, last - first))


def _energies(waveform: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Sums of squares of waveform[first:last], (windows,), for overlapping windows.

    Uses a running sum over the edges of all windows, of which there are far fewer than samples.
    """
    edges = np.unique(np.concatenate([first, last]))
    sums = np.zeros(len(edges))
    if len(waveform):
        parts = np.add.reduceat(np.square(waveform, dtype=np.float64), edges[edges < len(waveform)])
        np.cumsum(parts[: len(edges) - 1], out=sums[1:])
    return np.maximum(0.0, sums[np.searchsorted(edges, last)] - sums[np.searchsorted(edges, first)])


def peak_level_db(levels: np.ndarray) -> float:
    """Level of the loudest 50 ms in dB of full scale; -inf for digital silence. levels: from `frame_levels`."""
    loudest = float(levels.max())
    return 20 * np.log10(loudest) if loudest > 0 else -np.inf


def level_range_db(levels: np.ndarray) -> float:
    """Difference in dB between quiet (10th percentile) and loud (95th percentile) 50 ms windows.

    Silence counts as one step of 16 bits, -90 dB: digital silence would make the range unbounded.
    levels: from `frame_levels`.
    """
    quiet, loud = np.percentile(np.maximum(levels, 2**-15), [10, 95])
    return float(20 * np.log10(loud / quiet))
