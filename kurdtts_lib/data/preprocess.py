"""One clip's sound: decoded, mended and measured. Whether it is good enough is decided later, from the figures."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soundfile

from kurdtts_lib.audio.io import (
    frame_levels,
    header,
    level_range_db,
    loudness,
    peak_level_db,
    read,
    resample,
    to_mono,
    voiced_part,
    write_wav,
)
from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.reasons import Reason

CLIPPED = 0.99
"""From this amplitude on a sample counts as clipped: MP3 makes flat tops a little uneven."""
PEAK = 0.95
"""No clip is made louder than this amplitude, whatever loudness is asked for."""
LONGEST_DECODED_SECONDS = 600.0
"""A longer recording is not decoded: it is no sentence, and it could fill the memory."""
CUT_OFF = 0.98
"""An MP3 with less than this share of its stated length was cut off; encoders' own paddings are smaller."""
FORM = 2
"""To be raised with every change of `treat` that changes its results, so that older ones are not taken for new."""
PACKAGES = ("kurdtts", "numpy", "soundfile", "soxr", "pyloudnorm", "scipy")
ABSURD_SECONDS = 1e7
"""Four months: stands for an unknown length."""
LOWEST_DB = -120.0
"""Stands for the level of digital silence, which has none."""


@dataclass(frozen=True)
class Preprocessing:
    """What is done to every clip: these settings decide the bytes of the result."""

    sampling_rate: int
    remove_dc: bool
    trim_db: float | None
    pad_seconds: float
    loudness_lufs: float | None

    @classmethod
    def of(cls, settings: CorpusSettings, audio: AudioSettings) -> "Preprocessing":
        return cls(
            audio.sampling_rate, settings.remove_dc, settings.trim_db, settings.pad_seconds, settings.loudness_lufs
        )

    def recipe(self) -> str:
        """The settings and the versions of everything that takes part: another recipe gives other results."""
        packages = " ".join(f"{name} {version(name)}" for name in PACKAGES)
        return f"{FORM} {self} {packages} {soundfile.__libsndfile_version__}"


@dataclass(frozen=True)
class ProcessedAudio:
    """A treated clip, or the reason why there is none."""

    fault: str = ""
    detail: str = ""
    waveform: np.ndarray | None = None
    """(samples,), float32 in [-1, 1]."""
    figures: dict[str, float] | None = None
    """`measure`'s, of the source and of the result."""


def preprocess(source: bytes | Path, treatment: Preprocessing) -> ProcessedAudio:
    """Decode, average the channels, take out the offset, resample, trim, bring to the loudness; measure on the way."""
    try:
        seconds = header(source)[0]
        if seconds > ABSURD_SECONDS:
            return ProcessedAudio(Reason.CANNOT_DECODE, "it does not say its length, as streamed FLAC: save it anew")
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
    waveform = resample(mono - np.float32(offset) if treatment.remove_dc else mono, rate, treatment.sampling_rate)
    if len(waveform) == 0:
        return ProcessedAudio(Reason.EMPTY, f"{len(mono)} samples at {rate} Hz")
    levels = frame_levels(waveform, treatment.sampling_rate)
    if treatment.trim_db is not None:
        kept = voiced_part(levels, treatment.sampling_rate, treatment.trim_db, treatment.pad_seconds)
        waveform, levels = waveform[kept], levels[_frames(kept, treatment.sampling_rate)]
    figures = {
        "source_seconds": len(mono) / rate,
        "source_rate": rate,
        "channels": channels.shape[1],
        "dc_offset": offset,
        "clipped_share": np.count_nonzero(np.abs(channels) >= CLIPPED) / channels.size,
        "seconds": len(waveform) / treatment.sampling_rate,
        **_levels(waveform, levels, treatment.sampling_rate),
    }
    gain = _gain(waveform, figures["source_lufs"], treatment.loudness_lufs)
    figures |= {"gain_db": _db(gain), "lufs": figures["source_lufs"] + _db(gain)}
    # Rounded, so that tables show figures and not the last bits of a sum.
    rounded = {name: round(float(value), 6) for name, value in figures.items()}
    return ProcessedAudio(waveform=waveform * np.float32(gain), figures=rounded)


def _missing_seconds(source: bytes | Path, stated: float, found: float) -> float:
    """How much sound a file states and does not hold; 0 for forms that state nothing, or do not decode when cut.

    The decoder reads what is there and says nothing: of an MP3 with its table of contents (tag Xing or Info) it knows
    the length, of a WAV the sizes are compared.
    """
    head = source[:4096] if isinstance(source, bytes) else _head(source)
    if head[:4] == b"RIFF":
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        said = int.from_bytes(head[4:8], "little") + 8
        streamed = said in (8, 2**32 + 7)  # a program that did not know the length when it began
        return 0.0 if streamed or size >= said - 1 else found * (said / size - 1)
    known = b"Xing" in head or b"Info" in head
    return stated - found if known and found < CUT_OFF * stated else 0.0


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _frames(samples: slice, sampling_rate: int) -> slice:
    """Which levels lie in a stretch of samples."""
    hop = sampling_rate // 100
    return slice(None) if samples.stop is None else slice(-(-samples.start // hop), -(-samples.stop // hop))


def _levels(waveform: np.ndarray, levels: np.ndarray, sampling_rate: int) -> dict[str, float]:
    """Loudest 50 ms, what lies between loud and quiet moments, and the loudness, all in dB."""
    return {
        "peak_level_db": max(LOWEST_DB, float(peak_level_db(levels))),
        "level_range_db": level_range_db(levels),
        "source_lufs": max(LOWEST_DB, loudness(waveform, sampling_rate)),
    }


def _gain(waveform: np.ndarray, lufs: float, target: float | None) -> float:
    """The factor that brings `lufs` to `target`, or as near as the peak allows; 1 for what has no loudness."""
    if target is None or lufs == LOWEST_DB:
        return 1.0
    return float(min(10 ** ((target - lufs) / 20), PEAK / np.abs(waveform).max()))


def _db(ratio: float) -> float:
    return float(20 * np.log10(ratio))


@dataclass(frozen=True)
class ClipJob:
    """A clip to be treated and where its sound goes."""

    digest: str
    content: bytes | Path
    target: Path


@dataclass(frozen=True)
class ClipResult:
    """Treats the clips of a batch and writes them; a class, because a worker process must be able to unpickle it."""

    treatment: Preprocessing

    def __call__(self, job: ClipJob) -> tuple[str, str, str, dict[str, float] | None]:
        """(digest, fault, detail, figures). What can be decoded is written, whatever is wrong with it."""
        sound = preprocess(job.content, self.treatment)
        if sound.waveform is not None:
            write_wav(job.target, sound.waveform, self.treatment.sampling_rate, durable=False)
        return job.digest, sound.fault, sound.detail, sound.figures
