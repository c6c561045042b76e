"""Preprocessing of one clip: decode, clean up, measure. The filters decide later, from the statistics, what is kept."""

import io
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soundfile

from kurdtts_lib.audio.io import header, read, resample, to_mono, write_wav
from kurdtts_lib.audio.levels import clipped_share, decibels, frame_levels, gain, level_range_db, loudness, voiced_part
from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.filters import Reason

LONGEST_DECODED_SECONDS = 600.0
"""A longer recording is not decoded: it is not one sentence, and it could exhaust the memory."""
CUT_OFF = 0.98
"""An MP3 shorter than this share of its stated length is truncated; encoder padding is a smaller difference."""
FORMAT_VERSION = 2
"""Increase with every change of `preprocess` that changes its results, so that cached results are not reused."""
PACKAGES = ("kurdtts", "numpy", "soundfile", "soxr", "pyloudnorm", "scipy")


def cache_key(settings: CorpusSettings, sampling_rate: int) -> str:
    """What determines the result, byte for byte: settings, and versions of all packages involved."""
    names = ("remove_dc", "trim_db", "pad_seconds", "loudness_lufs")
    values = {"sampling_rate": sampling_rate} | {name: getattr(settings, name) for name in names}
    shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
    packages = " ".join(f"{name} {version(name)}" for name in PACKAGES)
    # Names of files are made of this: not a word of it may change with names in the code.
    return f"{FORMAT_VERSION} Treatment({shown}) {packages} {soundfile.__libsndfile_version__}"


@dataclass(frozen=True)
class ProcessedAudio:
    """A preprocessed clip, or the fault (a `Reason`) that prevented it."""

    fault: str = ""
    detail: str = ""
    waveform: np.ndarray | None = None
    """(samples,), float32 in [-1, 1]."""
    figures: dict[str, float] | None = None
    """Statistics of the source and of the result; see `dataset.Clip`, from `source_seconds` to `lufs`."""


def preprocess(source: bytes | Path, settings: CorpusSettings, sampling_rate: int) -> ProcessedAudio:
    """Decode, mix to mono, remove the DC offset, resample, trim, normalise the loudness; measure along the way."""
    try:
        seconds = header(source)[0]
        if seconds > LONGEST_DECODED_SECONDS:
            return ProcessedAudio(
                Reason.FAR_TOO_LONG, f"{seconds:.0f} s; longer than {LONGEST_DECODED_SECONDS:g} s is not decoded"
            )
        channels, rate = read(source)
    except AudioError as error:
        return ProcessedAudio(Reason.CANNOT_DECODE, str(error))
    if missing := _missing_seconds(source, seconds, len(channels) / rate):
        return ProcessedAudio(Reason.CUT_OFF, f"{missing:.1f} s are missing of {missing + len(channels) / rate:.1f} s")
    mono = to_mono(channels)
    offset = float(mono.mean(dtype=np.float64)) if len(mono) else 0.0
    waveform = resample(mono - np.float32(offset) if settings.remove_dc else mono, rate, sampling_rate)
    if len(waveform) == 0:
        return ProcessedAudio(Reason.EMPTY, f"{len(mono)} samples at {rate} Hz")
    levels = frame_levels(waveform, sampling_rate)
    if settings.trim_db is not None:
        kept = voiced_part(levels, sampling_rate, settings.trim_db, settings.pad_seconds)
        waveform, levels = waveform[kept], levels[_frames(kept, sampling_rate)]
    figures = {
        "source_seconds": len(mono) / rate,
        "source_rate": rate,
        "channels": channels.shape[1],
        "dc_offset": offset,
        "clipped_share": clipped_share(channels),
        "seconds": len(waveform) / sampling_rate,
        "peak_level_db": decibels(float(levels.max())),
        "level_range_db": level_range_db(levels),
        "source_lufs": (lufs := loudness(waveform, sampling_rate)),
    }
    factor = 1.0 if settings.loudness_lufs is None else gain(waveform, lufs, settings.loudness_lufs)
    figures |= {"gain_db": decibels(factor), "lufs": lufs + decibels(factor)}
    # Rounded, so that tables do not show floating-point noise.
    rounded = {name: round(float(value), 6) for name, value in figures.items()}
    return ProcessedAudio(waveform=waveform * np.float32(factor), figures=rounded)


def _missing_seconds(source: bytes | Path, stated: float, found: float) -> float:
    """Seconds that a truncated file lacks; 0 for formats that state no length, or that do not decode when truncated.

    The decoder reads a truncated file without an error. An MP3 states its length in its Xing or Info tag; for a WAV the
    size in the header is compared with the file size.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        head, size = file.read(4096), file.seek(0, io.SEEK_END)
    if head[:4] == b"RIFF":
        said = int.from_bytes(head[4:8], "little") + 8
        streamed = said in (8, 2**32 + 7)  # written by a program that did not know the length in advance
        return 0.0 if streamed or size >= said - 1 else found * (said / size - 1)
    known = b"Xing" in head or b"Info" in head
    return stated - found if known and found < CUT_OFF * stated else 0.0


def _frames(samples: slice, sampling_rate: int) -> slice:
    """The slice of 10 ms level frames that corresponds to a slice of samples."""
    hop = sampling_rate // 100
    return slice(None) if samples.stop is None else slice(-(-samples.start // hop), -(-samples.stop // hop))


def process_file(
    settings: CorpusSettings, sampling_rate: int, job: tuple[bytes | Path, Path]
) -> tuple[Path, ProcessedAudio]:
    """Preprocess the audio of a job and write its WAV, the second of the job; the result has no waveform.

    Everything that can be decoded is written; filters are applied later.
    """
    content, target = job
    sound = preprocess(content, settings, sampling_rate)
    if sound.waveform is not None:
        write_wav(target, sound.waveform, sampling_rate, durable=False)
    return target, replace(sound, waveform=None)
