"""Clauses one after the other, brought to one loudness, with measured pauses and the times of their words."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kurdtts_lib.audio.io import frame_levels, loudness, voiced_part
from kurdtts_lib.speech.clauses import Clause, clauses_of
from kurdtts_lib.text import encode_spoken
from kurdtts_lib.text.encoding import Vocabulary
from kurdtts_lib.vits.utterance import Utterance

LOUDNESS_LUFS = -23.0
"""What the recordings of a training set are brought to, so a good voice is near it already."""
MOST_GAIN_DB = 12.0
"""A voice that is almost silent stays quiet: it is broken, and its noise is nothing to hear."""
PEAK = 0.95
"""No sample is larger, whatever loudness that leaves."""
SILENCE_DB = 45.0
"""What lies so far below a clause's loudest 50 ms, at its edges, is not speech."""
PAD_SECONDS = 0.03
"""Of the silence at a clause's edges so much is kept, or a soft first sound would be cut."""
FADE_SECONDS = 0.004
"""At the edges, so that no cut clicks."""


class Speaker(Protocol):
    """What speaks: a `Voice`, or an exported one without torch."""

    @property
    def sampling_rate(self) -> int:
        """Hertz."""

    @property
    def tokenizer(self) -> Vocabulary:
        """The letters that it knows."""

    def utterances(
        self, clauses: Iterable[Sequence[int]], seed: int, speed: float, noise_scale: float
    ) -> Iterator[Utterance]:
        """Speak the token ids of clauses, each when it is asked for."""


@dataclass(frozen=True)
class SpokenClause:
    """A clause that was spoken."""

    text: str
    """As written."""
    waveform: np.ndarray
    """(samples,), float32 in [-PEAK, PEAK], the pause after it included."""
    start: float
    """Seconds from the beginning of the whole text."""
    end: float
    """Where its last sound ends; the pause follows."""
    words: tuple[tuple[str, float, float], ...]
    """(word as written, start, end), in seconds from the beginning of the whole text."""
    ends_sentence: bool
    """Whether no clause of the same sentence follows."""


def speak(voice: Speaker, text: str, seed: int = 1, speed: float = 1.0, noise_scale: float = 1.0) -> np.ndarray:
    """All that `stream` gives, in one piece: (samples,), at `voice.sampling_rate` Hz."""
    return np.concatenate([spoken.waveform for spoken in stream(voice, text, seed, speed, noise_scale)])


def stream(
    voice: Speaker, text: str, seed: int = 1, speed: float = 1.0, noise_scale: float = 1.0
) -> Iterator[SpokenClause]:
    """Speak a text of any length clause by clause; each is computed when it is asked for, and then forgotten.

    speed: 2 takes half the time, pauses too, at the same pitch. variation: of melody and rhythm, in parts of the
    voice's own; 0 is the flattest. The same seed gives the same samples on the same processor, from any number of
    threads at once: where the processor computes with bfloat16, and the voice's error is small, it is used.
    Raises TextError at once, before anything is spoken, for text that the voice cannot say.
    """
    clauses = clauses_of(text, voice.tokenizer)
    return _stream(voice, clauses, seed, speed, noise_scale)


def _stream(
    voice: Speaker, clauses: list[Clause], seed: int, speed: float, noise_scale: float
) -> Iterator[SpokenClause]:
    rate = voice.sampling_rate
    ids = (encode_spoken(part, voice.tokenizer, clause.text) for clause in clauses for part in clause.parts)
    raw = voice.utterances(ids, seed, speed, noise_scale)
    samples = 0
    for clause in clauses:
        said = list(itertools.islice(raw, len(clause.parts)))
        waveform = np.concatenate([part.waveform for part in said])
        kept = voiced_part(frame_levels(waveform, rate), rate, SILENCE_DB, PAD_SECONDS)
        begins, ends = _letter_times(said) - (kept.start or 0)
        waveform = level(waveform[kept], rate)
        words = tuple(
            (word.text, *((samples + np.clip([begins[word.start], ends[word.end - 1]], 0, len(waveform))) / rate))
            for word in clause.words
        )
        pause = round(clause.pause / speed * rate)
        times = samples / rate, (samples + len(waveform)) / rate
        samples += len(waveform) + pause
        yield SpokenClause(clause.text, np.pad(waveform, (0, pause)), *times, words, clause.ends_sentence)


def _letter_times(said: list[Utterance]) -> np.ndarray:
    """Where each spoken letter begins and ends, in samples: (2, letters). Between utterances stands a space."""
    begins, ends, offset = [], [], 0
    for utterance in said:
        hop = len(utterance.waveform) // max(1, utterance.durations.sum())
        edges = offset + hop * np.cumsum(utterance.durations)  # of blank, letter, blank, letter, ..., blank
        begins += [*edges[0:-1:2], edges[-1]]
        ends += [*edges[1::2], edges[-1]]
        offset += len(utterance.waveform)
    return np.array([begins, ends])


def level(waveform: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Bring (samples,) to `LOUDNESS_LUFS`, as near as `MOST_GAIN_DB` and `PEAK` allow, and fade its edges."""
    heard, peak = loudness(waveform, sampling_rate), float(np.abs(waveform).max())
    gain_db = np.clip(LOUDNESS_LUFS - heard, -np.inf, MOST_GAIN_DB) if np.isfinite(heard) else 0.0
    gain = min(10 ** (gain_db / 20), PEAK / max(peak, 1e-9))
    fade = min(round(FADE_SECONDS * sampling_rate), len(waveform) // 2)
    edge = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / max(1, fade))
    envelope = np.ones(len(waveform))
    envelope[:fade], envelope[len(waveform) - fade :] = edge, edge[::-1]
    return (waveform * (gain * envelope)).astype(np.float32)
