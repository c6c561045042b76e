"""Synthesises a text clause by clause, with defined pauses and the times of the words."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kurdtts_lib.audio.levels import SPEECH_EDGE_DB, frame_levels, gain, loudness, voiced_part
from kurdtts_lib.speech.clauses import Clause, clauses_of
from kurdtts_lib.text.encoding import Vocabulary
from kurdtts_lib.vits.utterance import Utterance

MAX_GAIN_DB = 12.0
"""A voice that is almost silent stays quiet: it is broken, and amplifying its noise would not help."""
PAD_SECONDS = 0.03
"""Silence kept at a clause's edges, or a soft first phone would be cut off."""
REFERENCE_SECONDS = 10
"""Of a text's speech are measured for its one loudness, so that a short clause is not louder than its neighbours."""
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
        self, clauses: Iterable[Sequence[int]], seed: int, speed: float, noise_scale: float, exact: bool = False
    ) -> Iterator[Utterance]:
        """Synthesise clauses from their token ids, each when it is requested. exact: in float32 on every machine."""


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


def speak(voice: Speaker, text: str, **options: Any) -> np.ndarray:
    """The clauses of `stream`, with its options, as one waveform: (samples,), float32, at `voice.sampling_rate` Hz."""
    return np.concatenate([clause.waveform for clause in stream(voice, text, **options)])


def stream(
    voice: Speaker,
    text: str,
    seed: int = 1,
    speed: float = 1.0,
    noise_scale: float = 1.0,
    level: bool = True,
    normalized: bool = False,
) -> Iterator[SpokenClause]:
    """Synthesise a text of any length clause by clause, each when it is requested; none is kept in memory.

    speed: 2 takes half the time, pauses too, at the same pitch. noise_scale: a factor on the voice's own noise scales,
    which vary melody and rhythm; 0 is the flattest. The same seed gives the same samples on the same processor, from
    any number of threads at once. level: clauses are trimmed, the text is brought to one loudness, and bfloat16 is
    used if the processor supports it; False gives what the model gives, in float32, as the evaluation measures it.
    normalized: `text` is the already normalised text of a prepared clip, one clause; the lexicon is not applied.
    Raises TextError, before anything is synthesised, for text that the voice cannot say.
    """
    clauses = clauses_of(text, voice.tokenizer, normalized)
    chunks = (chunk for clause in clauses for chunk in clause.chunks)
    utterances = voice.utterances(chunks, seed, speed, noise_scale, exact=not level)
    return _spoken(clauses, utterances, voice.sampling_rate, speed, level)


def _spoken(
    clauses: list[Clause], synthesised: Iterator[Utterance], rate: int, speed: float, levelled: bool
) -> Iterator[SpokenClause]:
    samples, reference = 0, np.empty(0, np.float32)
    for clause in clauses:
        utterances = list(itertools.islice(synthesised, len(clause.chunks)))
        waveform = np.concatenate([utterance.waveform for utterance in utterances])
        times = _character_times(utterances)
        if levelled:
            kept = voiced_part(frame_levels(waveform, rate), rate, SPEECH_EDGE_DB, PAD_SECONDS)
            times -= kept.start or 0
            waveform = waveform[kept]
            reference = np.concatenate([reference, waveform])[: REFERENCE_SECONDS * rate]
            waveform = level(waveform, rate, loudness(reference, rate))
        begins, ends = (samples + np.clip(times, 0, len(waveform))) / rate
        words = tuple((word.text, begins[word.start], ends[word.end - 1]) for word in clause.words)
        start, end = samples / rate, (samples + len(waveform)) / rate
        waveform = np.pad(waveform, (0, round(clause.pause / speed * rate)))
        samples += len(waveform)
        yield SpokenClause(clause.text, waveform, start, end, words, clause.ends_sentence)


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


def level(waveform: np.ndarray, sampling_rate: int, measured: float) -> np.ndarray:
    """Scale (samples,) from `measured` LUFS to `levels.LOUDNESS_LUFS`, and fade its edges.

    As far as `MAX_GAIN_DB` and the peak allow.
    """
    factor = gain(waveform, measured, most_db=MAX_GAIN_DB)
    fade = min(round(FADE_SECONDS * sampling_rate), len(waveform) // 2)
    edge = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / max(1, fade))
    envelope = np.ones(len(waveform))
    envelope[:fade], envelope[len(waveform) - fade :] = edge, edge[::-1]
    return (waveform * (factor * envelope)).astype(np.float32)
