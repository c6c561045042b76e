"""A take, encoded once as it is stored, and its checks: what makes it unusable, and what only sounds wrong."""

import hashlib
import io
import math
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import soundfile

from kurdtts_lib.audio.io import header, read
from kurdtts_lib.audio.levels import frame_levels, voiced_frames
from kurdtts_lib.core.errors import AudioError, TakeError, TextError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.dataset import alignment_sizes
from kurdtts_lib.data.preprocess import ProcessedAudio, preprocess
from kurdtts_lib.text import Normalized, normalize

LONGEST_SECONDS = 60.0
"""A correction is one sentence. The recorder stops at this length."""
MAX_CHARACTERS = round(40 * LONGEST_SECONDS)
"""Of a text: 40 per second is faster than people can read. A longer text, such as a book, is not even normalised."""

# The corpus's thresholds apply where there are any. These are for faults that only the speaker can correct.
SETTINGS, AUDIO = CorpusSettings(), AudioSettings()
SHORTEST_SECONDS = 0.3
"""After trimming: anything shorter is a click, not a word. A corpus asks for whole sentences, a correction may be one
word."""
USUAL_SPEAKING_RATE = (5.0, 25.0)
"""Letters per second. In a corpus clips are compared with their speaker's median; a single take has no such median."""
QUIET_BY_DB = 20.0
"""A take this far below the loudness of the training set has audible background noise once it is amplified."""
LONGEST_PAUSE = 1.0
"""Seconds of silence in the middle. At the edges silence is trimmed."""


@dataclass(frozen=True, eq=False)
class Take:
    """A recording as the store keeps it; made by `take_of`."""

    content: bytes
    """FLAC, 16 bit, with the channels and the sampling rate of the source."""
    seconds: float

    @property
    def digest(self) -> str:
        """The name of the stored file: the first 24 hexadecimal digits of its SHA-256."""
        return digest_of(self.content)

    @cached_property
    def processed(self) -> ProcessedAudio:
        """Its stored samples, preprocessed as a training does it."""
        return preprocess(self.content, SETTINGS, AUDIO.sampling_rate)


Audio = bytes | Path | tuple[np.ndarray, int] | Take
"""A file's bytes, its path, or samples with their rate in Hz: (samples,) or (samples, channels), int16 or float in
[-1, 1]."""


def take_of(audio: Audio) -> Take:
    """Decode and encode a recording, lossless for 16-bit sources; the same samples give the same bytes.

    Raises AudioError if it cannot be decoded or encoded, TakeError if it is empty or longer than `LONGEST_SECONDS`.
    """
    if isinstance(audio, Take):
        return audio
    if isinstance(audio, tuple):
        waveform, rate = audio
    else:
        _check_length(header(audio)[0])  # before decoding: a small file may hold hours
        waveform, rate = read(audio)
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
    return Take(buffer.getvalue(), len(samples) / rate)


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]


def _check_length(seconds: float) -> None:
    if seconds > LONGEST_SECONDS:
        message = f"This recording is {seconds:.1f} s long; {LONGEST_SECONDS:g} s is the most."
        raise TakeError(f"{message} Record one sentence at a time.", "too_long")


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


FINDINGS: dict[str, str] = tomllib.loads(Path(__file__).with_name("findings.toml").read_text(encoding="utf-8"))
"""The findings by their code."""


class Finding(str):
    """A sentence about a take: what is wrong, and what to do."""

    code: str
    """Identifies it for pages in other languages."""

    def __new__(cls, code: str, sentence: str) -> Self:
        finding = super().__new__(cls, sentence)
        finding.code = code
        return finding


@dataclass(frozen=True)
class Checks:
    """The findings about a take and its text. Without `errors` it can be submitted."""

    seconds: float
    """Duration as recorded; 0 if it cannot be decoded."""
    errors: list[Finding]
    """Why it cannot be used at all."""
    warnings: list[Finding]
    """What sounds wrong."""


def check_take(audio: Audio, text: str) -> Checks:
    """Check a recording, in any form that `submit` takes, against its text. Bad input is reported, not raised."""
    try:
        take = take_of(audio)
        waveform, figures = take.processed.waveform, take.processed.figures
        if waveform is None or figures is None:
            processed = take.processed
            raise AudioError(f"This recording cannot be used: {processed.fault} ({processed.detail}). Record again.")
    except AudioError as error:
        return Checks(0.0, [Finding("unusable", str(error))], [])
    # A threshold that the settings lack is never crossed.
    voiced = voiced_frames(frame_levels(waveform, AUDIO.sampling_rate), SETTINGS.trim_db or math.inf)
    pause = float(np.diff(voiced).max(initial=1) - 1) / 100  # the longest stretch of silence; one level per 10 ms
    longest, seconds = SETTINGS.max_seconds or math.inf, figures["seconds"]
    values: dict[str, Any] = {**figures, "longest": longest, "pause": pause}
    errors = {
        "no_voice": figures["peak_level_db"] < (SETTINGS.silence_db or -math.inf),
        "too_short": seconds < SHORTEST_SECONDS,
    }
    warnings = {
        "too_loud": figures["clipped_share"] > (SETTINGS.max_clipped_share or 1.0),
        "too_quiet": figures["source_lufs"] < (SETTINGS.loudness_lufs or -math.inf) - QUIET_BY_DB,
        "noise": figures["level_range_db"] < (SETTINGS.min_level_range_db or 0.0),
        "too_long": seconds > longest,
        "pause": pause > LONGEST_PAUSE,
    }
    found = _findings(errors, values)[:1]
    try:
        normalized = speakable(text)
    except TextError as error:
        return Checks(take.seconds, [*found, Finding("bad_text", str(error))], _findings(warnings, values))
    if not found:  # without a voice there is no speaking rate
        positions, frames = alignment_sizes(normalized.text, seconds, AUDIO.sampling_rate, AUDIO.hop_length)
        rate = sum(map(str.isalpha, normalized.text)) / seconds
        values |= {"positions": len(normalized.text), "most": (frames - 1) // 2, "rate": rate}
        found = _findings({"text_longer": positions > frames}, values)
        slowest, fastest = USUAL_SPEAKING_RATE
        warnings |= {"too_fast": rate > fastest, "too_slow": rate < slowest}
    # A voice would learn wrong pronunciations where the speaker's reading differs from the rules'.
    values["names"] = ", ".join(repr(change.before.strip()) for change in normalized.uncertain())
    warnings["uncertain"] = bool(values["names"])
    return Checks(take.seconds, found, _findings(warnings, values))


def _findings(found: dict[str, bool], values: dict[str, Any]) -> list[Finding]:
    """The findings that apply; `found` says it by code."""
    return [Finding(code, FINDINGS[code].format(**values)) for code, applies in found.items() if applies]


def speakable(text: str) -> Normalized:
    """`normalize` for a text of any length. Raises TextError if it is too long or has no reading."""
    if len(text) > MAX_CHARACTERS:
        raise TextError(
            f"This text has {len(text)} characters; nobody reads more than {MAX_CHARACTERS} in {LONGEST_SECONDS:g} s. "
            "Submit one sentence at a time."
        )
    return normalize(text, marks=True)
