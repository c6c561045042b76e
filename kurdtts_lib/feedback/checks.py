"""Checks of a take: what makes it unusable is an error, what only sounds wrong is a warning."""

from dataclasses import dataclass, field

import numpy as np

from kurdtts_lib.audio.levels import LOWEST_DB, frame_levels, voiced_frames
from kurdtts_lib.core.errors import AudioError, TextError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.dataset import alignment_sizes
from kurdtts_lib.data.preprocess import Preprocessing, ProcessedAudio, preprocess
from kurdtts_lib.feedback.takes import LONGEST_SECONDS, Audio, encode_take
from kurdtts_lib.text import Normalized, normalize

# The corpus's thresholds apply where there are any. These are for faults that only the speaker can correct.
SHORTEST_SECONDS = 0.3
"""After trimming: anything shorter is a click, not a word. A corpus asks for whole sentences, a correction may be one
word."""
USUAL_SPEAKING_RATE = (5.0, 25.0)
"""Letters per second. In a corpus clips are compared with their speaker's median; a single take has no such median."""
QUIET_BY_DB = 20.0
"""A take this far below the loudness of the training set has audible background noise once it is amplified."""
LONGEST_PAUSE = 1.0
"""Seconds of silence in the middle. At the edges silence is trimmed."""
MAX_CHARACTERS = round(40 * LONGEST_SECONDS)
"""Of a text: 40 per second is faster than people can read. A longer text, such as a book, is not even normalised."""


class Finding(str):
    """A sentence about a take: what is wrong, and what to do. `code` identifies it for pages in other languages."""

    code: str

    def __new__(cls, code: str, sentence: str) -> "Finding":
        finding = super().__new__(cls, sentence)
        finding.code = code
        return finding

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return self.code, str(self)  # copies and pickles keep the code


@dataclass(frozen=True)
class Checks:
    """The findings about a take and its text. Without `errors` it can be submitted."""

    seconds: float
    """Duration as recorded; 0 if it cannot be decoded."""
    loudness: float
    """LUFS, as recorded; -120 for silence."""
    errors: list[Finding] = field(default_factory=list)
    """Why it cannot be used at all."""
    warnings: list[Finding] = field(default_factory=list)
    """What sounds wrong."""


def check_take(audio: Audio, text: str) -> Checks:
    """Check a recording, in any form that `submit` takes, against its text. Bad input is reported, not raised."""
    try:
        content = encode_take(audio)
    except AudioError as error:
        return Checks(0.0, LOWEST_DB, [Finding("unusable", str(error))])
    return check_kept(content, text)


def check_kept(content: bytes, text: str) -> Checks:
    """`check_take` for FLAC bytes from `encode_take`."""
    settings, audio = CorpusSettings(), AudioSettings()
    processed = preprocess(content, Preprocessing.of(settings, audio))
    if processed.waveform is None or processed.figures is None:
        fault = f"This recording cannot be used: {processed.fault} ({processed.detail}). Record again."
        return Checks(0.0, LOWEST_DB, [Finding("unusable", fault)])
    errors, warnings = _audio_errors(processed.figures, settings), _audio_warnings(processed, settings, audio)
    try:
        normalized = speakable(text)
    except TextError as error:
        errors.append(Finding("bad_text", str(error)))
    else:
        if not errors:  # without a voice there is no speaking rate
            errors += _length_errors(normalized.text, processed.figures["seconds"], audio)
            warnings += _speaking_rate_warnings(normalized.text, processed.figures["seconds"])
        warnings += _text_warnings(normalized)
    return Checks(processed.figures["source_seconds"], processed.figures["source_lufs"], errors, warnings)


def speakable(text: str) -> Normalized:
    """`normalize` for a text of any length. Raises TextError if it is too long or has no reading."""
    if len(text) > MAX_CHARACTERS:
        raise TextError(
            f"This text has {len(text)} characters; nobody reads more than {MAX_CHARACTERS} in {LONGEST_SECONDS:g} s. "
            "Submit one sentence at a time."
        )
    return normalize(text)


def _audio_errors(measured: dict[str, float], settings: CorpusSettings) -> list[Finding]:
    level = measured["peak_level_db"]
    if settings.silence_db is not None and level < settings.silence_db:
        sentence = f"There is no voice: the loudest moment has {level:.0f} dB. Check the microphone, then record again."
        return [Finding("no_voice", sentence)]
    if measured["seconds"] < SHORTEST_SECONDS:
        sentence = (
            f"There is only {measured['seconds']:.1f} s of sound. Wait a moment after the start of the recording, then "
            "say the whole text."
        )
        return [Finding("too_short", sentence)]
    return []


def _audio_warnings(processed: ProcessedAudio, settings: CorpusSettings, audio: AudioSettings) -> list[Finding]:
    measured, warnings = processed.figures or {}, {}
    share, range_db, loudness = measured["clipped_share"], measured["level_range_db"], measured["source_lufs"]
    if settings.max_clipped_share is not None and share > settings.max_clipped_share:
        warnings["too_loud"] = (
            f"It is too loud: {share:.1%} of the samples are cut off, and that crackles. Go further from the "
            "microphone or turn it down, then record again."
        )
    if settings.loudness_lufs is not None and loudness < settings.loudness_lufs - QUIET_BY_DB:
        warnings["too_quiet"] = (
            f"It is too quiet ({loudness:.0f} LUFS). Go nearer to the microphone or turn it up, then record again."
        )
    if settings.min_level_range_db is not None and range_db < settings.min_level_range_db:
        warnings["noise"] = (
            f"It is mostly noise: only {range_db:.0f} dB lie between loud and quiet. Find a quieter place, then record "
            "again."
        )
    longest, seconds = settings.max_seconds, measured["seconds"]
    if longest is not None and seconds > longest:
        warnings["too_long"] = (
            f"It is {seconds:.0f} s long; a voice learns from {longest:g} s at most and leaves a longer one out. "
            "Record one sentence at a time."
        )
    pause = _longest_pause(processed.waveform, settings, audio)
    if pause > LONGEST_PAUSE:
        warnings["pause"] = f"There is a silence of {pause:.1f} s in the middle. Record again without the pause."
    return [Finding(code, sentence) for code, sentence in warnings.items()]


def _longest_pause(waveform: np.ndarray | None, settings: CorpusSettings, audio: AudioSettings) -> float:
    """Duration in seconds of the longest stretch below the trimming threshold."""
    if waveform is None or settings.trim_db is None:
        return 0.0
    levels = frame_levels(waveform, audio.sampling_rate)
    voiced = voiced_frames(levels, settings.trim_db)
    return float(np.diff(voiced).max(initial=1) - 1) / 100  # one level per 10 ms


def _length_errors(spoken: str, seconds: float, audio: AudioSettings) -> list[Finding]:
    positions, frames = alignment_sizes(spoken, seconds, audio.sampling_rate, audio.hop_length)
    if positions <= frames:
        return []
    most = (frames - 1) // 2
    sentence = (
        f"The text has {len(spoken)} letters and spaces as it is said, but {seconds:.1f} s of sound hold {most} at "
        "most. Record the whole text, or correct the text."
    )
    return [Finding("text_longer", sentence)]


def _speaking_rate_warnings(spoken: str, seconds: float) -> list[Finding]:
    rate = sum(map(str.isalpha, spoken)) / seconds
    slowest, fastest = USUAL_SPEAKING_RATE
    if rate > fastest:
        sentence = f"{rate:.0f} letters a second is very fast. Is a part missing in the recording? Then record again."
        return [Finding("too_fast", sentence)]
    if rate < slowest:
        sentence = f"{rate:.1f} letters a second is very slow. Is a word missing in the text? Then correct the text."
        return [Finding("too_slow", sentence)]
    return []


def _text_warnings(normalized: Normalized) -> list[Finding]:
    """A voice would learn wrong pronunciations where the speaker's reading differs from the rules'."""
    names = ", ".join(repr(change.before.strip()) for change in normalized.uncertain())
    if not names:
        return []
    sentence = f"People read {names} in different ways, or not at all. Write it in words, as you said it."
    return [Finding("uncertain", sentence)]
