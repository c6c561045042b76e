"""Levels of sound: how loud it is, where its silence is, and the gain that it needs. Full scale is 1, 0 dB.

The constants that several rooms need; a threshold with one user is beside that user.
"""

import functools
import math

import numpy as np
import pyloudnorm
import scipy.signal

from kurdtts_lib.core.settings import CorpusSettings

LOUDNESS_LUFS: float = CorpusSettings.loudness_lufs  # type: ignore[assignment]  # only a profile may set None
"""EBU R128's level for broadcasts. A voice learns from recordings of this loudness, speaks with it, and is compared
with others at it."""
PEAK = 0.95
"""Largest amplitude after any gain: resampling and lossy encoding may raise a peak by some hundredths."""
CLIPPED = 0.99
"""Amplitude from which a sample counts as clipped. Below 1, because MP3 coding makes flat tops slightly uneven, and a
decoder that ends in tanh never reaches 1."""
EDGE_DB: float = CorpusSettings.trim_db  # type: ignore[assignment]  # as above
"""Silence at the edges of a recording, and pauses in it, are this far below its loudest part: the noise of a room."""
SPEECH_EDGE_DB = 45.0
"""The same at the edges of speech by a voice, which has no room: a soft first phone is quieter than a room's noise."""
SILENCE_DB = -60.0
"""dB of full scale: 50 ms below it are silence however quiet the rest is."""
LOWEST_DB = -120.0
"""The level of digital silence, in place of minus infinity, which tables and JSON lack."""


def decibels(amplitude: float) -> float:
    """dB of a ratio of amplitudes, or of an amplitude (of full scale); at least `LOWEST_DB`."""
    return max(20 * math.log10(amplitude), LOWEST_DB) if amplitude != 0 else LOWEST_DB  # NaN stays NaN


def amplitude(level_db: float) -> float:
    """The inverse of `decibels`."""
    return 10 ** (level_db / 20)


def rms_db(waveform: np.ndarray) -> float:
    """Root mean square of (samples,) in dB of full scale, at least -120 (silence). Not weighted by frequency."""
    return decibels(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))


def loudness(waveform: np.ndarray, sampling_rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4, which EBU R128 uses), LOWEST_DB if no block is above its gate.

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
        return LOWEST_DB
    return float(-0.691 + 10 * np.log10(audible[audible > audible.mean() / 10].mean()))


@functools.lru_cache(maxsize=4)
def _k_weighting(sampling_rate: int) -> np.ndarray:
    """The two K-weighting filters of BS.1770 as second-order sections, (2, 6)."""
    filters = pyloudnorm.Meter(sampling_rate)._filters.values()
    return np.array([[*one.b, *one.a] for one in filters])


def voiced_part(levels: np.ndarray, sampling_rate: int, top_db: float, pad_seconds: float) -> slice:
    """The slice of samples without edges `top_db` below the loudest 50 ms, but with `pad_seconds` around the speech.

    levels: the waveform's `frame_levels`. All samples if it is silent.
    """
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
    """Sums of squares of waveform[first:last], (windows,), for overlapping windows: differences of a running sum."""
    sums = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    return np.maximum(0.0, sums[last] - sums[first])


def level_range_db(levels: np.ndarray) -> float:
    """Difference in dB between quiet (10th percentile) and loud (95th percentile) 50 ms windows.

    Silence counts as one step of 16 bits, -90 dB: digital silence would make the range unbounded.
    levels: from `frame_levels`.
    """
    quiet, loud = np.percentile(np.maximum(levels, 2**-15), [10, 95])
    return decibels(loud / quiet)


def silence_share(waveform: np.ndarray, sampling_rate: int) -> float:
    """Share of 10 ms steps whose 50 ms window is `EDGE_DB` below the loudest one, or below `SILENCE_DB`."""
    levels = frame_levels(waveform, sampling_rate)
    voiced = voiced_frames(np.where(levels > amplitude(SILENCE_DB), levels, 0.0), EDGE_DB)
    return 1 - len(voiced) / len(levels)


def clipped_share(waveform: np.ndarray) -> float:
    """Share of samples, of any shape, whose amplitude is at least `CLIPPED`."""
    return float(np.mean(np.abs(waveform) >= CLIPPED))


def gain(waveform: np.ndarray, lufs: float, target: float = LOUDNESS_LUFS, most_db: float = math.inf) -> float:
    """The factor that brings (samples,) of loudness `lufs` to `target`, as far as `most_db` and `PEAK` allow.

    Silence, whose loudness is `LOWEST_DB`, is not amplified.
    """
    wanted = amplitude(min(target - lufs, most_db)) if lufs > LOWEST_DB else 1.0
    return min(wanted, PEAK / max(float(np.abs(waveform).max()), 1e-9))
