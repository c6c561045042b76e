"""Synthesises a text clause by clause, at a common loudness, with defined pauses and the times of the words."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kurdtts_lib.audio.levels import SPEECH_EDGE_DB, frame_levels, gain, loudness, voiced_part
from kurdtts_lib.speech.clauses import Clause, clauses_of
from kurdtts_lib.text import encode_spoken
from kurdtts_lib.text.encoding import Vocabulary
from kurdtts_lib.vits.utterance import Utterance

MAX_GAIN_DB = 12.0
"""A voice that is almost silent stays quiet: it is broken, and amplifying its noise would not help."""
PAD_SECONDS = 0.03
"""Silence kept at a clause's edges, or a soft first phone would be cut off."""
FADE_SECONDS = 0.004
"""At a clause's edges, to avoid clicks."""


class Speaker(Protocol):
    """Anything that synthesises speech: a `Voice`, or an exported voice without torch."""

    @property
    def sampling_rate(self) -> int:
        """Hertz."""

    @property
    def tokenizer(self) -> Vocabulary:
        """The characters that it knows, as token ids."""

    def utterances(
        self, clauses: Iterable[Sequence[int]], seed: int, speed: float, noise_scale: float
    ) -> Iterator[Utterance]:
        """Synthesise clauses from their token ids, each when it is requested."""


@dataclass(frozen=True)
class SpokenClause:
    """A synthesised clause."""

    text: str
    """As written."""
    waveform: np.ndarray
    """(samples,), float32, at most `levels.PEAK`, including the pause after it."""
    start: float
    """Seconds from the beginning of the whole text."""
    end: float
    """Seconds, likewise: the end of its speech; the pause follows."""
    words: tuple[tuple[str, float, float], ...]
    """(word as written, start, end), in seconds from the beginning of the whole text."""
    ends_sentence: bool
    """Whether no clause of the same sentence follows."""


def speak(voice: Speaker, text: str, seed: int = 1, speed: float = 1.0, noise_scale: float = 1.0) -> np.ndarray:
    """The clauses of `stream` as one waveform: (samples,), float32, at `voice.sampling_rate` Hz."""
    return np.concatenate([spoken.waveform for spoken in stream(voice, text, seed, speed, noise_scale)])


def stream(
    voice: Speaker, text: str, seed: int = 1, speed: float = 1.0, noise_scale: float = 1.0
) -> Iterator[SpokenClause]:
    """Synthesise a text of any length clause by clause, each when it is requested; none is kept in memory.

    speed: 2 takes half the time, pauses too, at the same pitch. noise_scale: a factor on the voice's own noise scales,
    which vary melody and rhythm; 0 is the flattest. The same seed gives the same samples on the same processor, from
    any number of threads at once. bfloat16 is used if the processor supports it and the voice's error is small.
    Raises TextError at once, before anything is synthesised, for text that the voice cannot say.
    """
    clauses = clauses_of(text, voice.tokenizer)
    return _stream(voice, clauses, seed, speed, noise_scale)


def _stream(
    voice: Speaker, clauses: list[Clause], seed: int, speed: float, noise_scale: float
) -> Iterator[SpokenClause]:
    rate = voice.sampling_rate
    ids = (encode_spoken(chunk, voice.tokenizer, clause.text) for clause in clauses for chunk in clause.chunks)
    raw = voice.utterances(ids, seed, speed, noise_scale)
    samples = 0
    for clause in clauses:
        utterances = list(itertools.islice(raw, len(clause.chunks)))
        waveform = np.concatenate([utterance.waveform for utterance in utterances])
        kept = voiced_part(frame_levels(waveform, rate), rate, SPEECH_EDGE_DB, PAD_SECONDS)
        begins, ends = _character_times(utterances) - (kept.start or 0)
        waveform = level(waveform[kept], rate)
        words = tuple(
            (word.text, *((samples + np.clip([begins[word.start], ends[word.end - 1]], 0, len(waveform))) / rate))
            for word in clause.words
        )
        pause = round(clause.pause / speed * rate)
        times = samples / rate, (samples + len(waveform)) / rate
        samples += len(waveform) + pause
        yield SpokenClause(clause.text, np.pad(waveform, (0, pause)), *times, words, clause.ends_sentence)


def _character_times(utterances: list[Utterance]) -> np.ndarray:
    """Begin and end of each spoken character, in samples: (2, characters). Utterances are separated by a space."""
    begins, ends, offset = [], [], 0
    for utterance in utterances:
        hop = len(utterance.waveform) // max(1, utterance.durations.sum())
        edges = offset + hop * np.cumsum(utterance.durations)  # of blank, character, blank, character, ..., blank
        begins += [*edges[0:-1:2], edges[-1]]
        ends += [*edges[1::2], edges[-1]]
        offset += len(utterance.waveform)
    return np.array([begins, ends])


def level(waveform: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Scale (samples,) to `levels.LOUDNESS_LUFS`, as far as `MAX_GAIN_DB` and the peak allow, and fade its edges."""
    factor = gain(waveform, loudness(waveform, sampling_rate), most_db=MAX_GAIN_DB)
    fade = min(round(FADE_SECONDS * sampling_rate), len(waveform) // 2)
    edge = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / max(1, fade))
    envelope = np.ones(len(waveform))
    envelope[:fade], envelope[len(waveform) - fade :] = edge, edge[::-1]
    return (waveform * (factor * envelope)).astype(np.float32)
