"""How well the words of speech are understood, by a listener that needs no download: another voice.

A VITS voice learns which sound fits which text. The log-likelihood of its alignment (posterior encoder, flow, search:
the same as in training) says how well a text fits a sound; here it compares the right text with wrong ones.
"""

import functools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas
import torch
from torch import Tensor

from kurdtts_lib.core.files import read_text
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.evaluation.metrics import WORD_METRICS, Progress
from kurdtts_lib.text import encode_spoken, normalize, without_marks
from kurdtts_lib.text.language import CONSONANTS, VOWELS
from kurdtts_lib.vits import generation
from kurdtts_lib.vits.alignment import expand_by_durations, prior_log_likelihood, search_durations
from kurdtts_lib.vits.voice import Voice

CHOICES = 24
"""Texts from which the right one is chosen: itself and the next 23 of the test."""
NEAR_MISSES = 4
"""Of each kind and sentence: a letter changed, a word changed, two neighbouring words exchanged."""


@functools.cache
def bundled_sentences() -> tuple[str, ...]:
    """Kurmanji sentences, normalised, for tests of words when there are few test sentences."""
    lines = read_text(Path(__file__).with_name("sentences.txt")).splitlines()
    return tuple(normalize(line, marks=True).text for line in lines)


def word_test(texts: Sequence[str], learned: Sequence[str]) -> list[str]:
    """The texts and, up to twice `CHOICES`, bundled sentences that are not among them nor among those `learned`."""
    known = {without_marks(text) for text in (*texts, *learned)}
    more = [text for text in bundled_sentences() if without_marks(text) not in known]
    return [*texts, *more[: max(0, 2 * CHOICES - len(texts))]]


@dataclass(frozen=True)
class Listener:
    """Ranks texts by how well they fit a sound. It knows only sounds of the speakers that its voice learned from."""

    voice: Voice
    audio: AudioSettings
    _priors: dict[str, generation.Prior] = field(default_factory=dict)

    @torch.inference_mode()
    def metrics(self, waveforms: Sequence[np.ndarray], texts: Sequence[str], progress: Progress | None = None,
                name: str = "listening") -> pandas.DataFrame:  # fmt: skip
        """`WORD_METRICS` of each waveform (samples,), (waveforms, metrics).

        texts: those of the waveforms, in the same order, perhaps followed by others. A waveform's text is compared with
        the `CHOICES` - 1 texts after it, the first ones following the last one. NaN without another text.
        """
        texts = [without_marks(text) for text in texts]  # only words are compared
        distinct = list(dict.fromkeys(texts))
        rows = []
        for latents, text in zip(self._matched(self._latents(waveforms), distinct), texts, strict=False):
            place = distinct.index(text)
            others = (distinct[place + 1 :] + distinct[:place])[: CHOICES - 1]
            rows.append(self._compare(latents, text, others))
            if progress:
                progress(len(rows), name, len(waveforms))
        return pandas.DataFrame(rows, columns=list(WORD_METRICS), dtype=np.float64)

    def _compare(self, latents: Tensor, text: str, others: Sequence[str]) -> dict[str, float]:
        if not others:
            return dict.fromkeys(WORD_METRICS, float("nan"))
        known, *wrong = self._priors_of([text, *others])
        near = self._encode([miss for miss in near_misses(text, others) if miss != text])  # not kept: ten times as many
        positions = max(prior.means.shape[2] for prior in (known, *wrong, *near))
        # A path visits every position: where a sound is too short for the longest text, each frame counts repeatedly.
        latents = latents.repeat_interleave(math.ceil(positions / latents.shape[2]), dim=2)
        right = _score(latents, known)
        rest, close = (np.array([_score(latents, prior) for prior in some]) for some in (wrong, near))
        return {
            "words_margin": float(np.clip((right - rest.max()) / max(right - rest.mean(), 1e-9), -1, 1)),
            "words_first": float(right > rest.max()),
            "near_misses": float(np.mean(right > close)) if len(close) else float("nan"),
        }

    def _priors_of(self, texts: Sequence[str]) -> list[generation.Prior]:
        missing = [text for text in texts if text not in self._priors]
        self._priors.update(zip(missing, self._encode(missing), strict=True))
        return [self._priors[text] for text in texts]

    def _encode(self, texts: Sequence[str]) -> list[generation.Prior]:
        """Those of equal length together, in the order of `texts`: several small ones take little longer than one."""
        rows = [encode_spoken(text, self.voice.tokenizer, text) for text in texts]
        encoded: dict[int, generation.Prior] = {}
        for length in set(map(len, rows)):
            numbers = [number for number, row in enumerate(rows) if len(row) == length]
            ids = torch.tensor([rows[number] for number in numbers], device=self.voice.model.device)
            parts = zip(*(part.split(1) for part in generation.encode_text(self.voice.model, ids)), strict=True)
            encoded.update(zip(numbers, map(generation.Prior._make, parts), strict=True))
        return [encoded[number] for number in range(len(rows))]

    def _latents(self, waveforms: Sequence[np.ndarray]) -> Iterator[Tensor]:
        """(1, channels, frames) of each waveform, on the prior's side of the flow."""
        for waveform in waveforms:
            means = generation.posterior_means(self.voice.model, waveform, self.audio)
            yield self.voice.model.flow(means, torch.ones_like(means[:, :1]))

    def _matched(self, latents: Iterator[Tensor], texts: Sequence[str]) -> list[Tensor]:
        """The latents with the mean and the deviation that the prior has over the test, channel by channel.

        What all sentences of a system have in common is its speaker, its room and its noise, not its words. Without
        this, other speakers than the listener's own are not understood at 20 dB of noise, with it they are at 0 dB;
        the same is usual with cepstra (mean and variance normalisation, Viikki and Laurila 1998).
        """
        sounds = list(latents)
        all_frames = torch.cat(sounds, dim=2)
        mean, deviation = self._prior_moments(texts)
        scale = deviation / all_frames.std(dim=2, keepdim=True).clamp_min(1e-6)
        return [(sound - all_frames.mean(dim=2, keepdim=True)) * scale + mean for sound in sounds]

    def _prior_moments(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the prior over all frames of the texts, (1, channels, 1) each."""
        model = self.voice.model
        means, variances = [], []
        for prior in self._priors_of(texts):
            quiet = torch.zeros(1, 2, prior.means.shape[2], device=model.device)
            durations = generation.predict_durations(model, prior.hidden, model.speaking_rate, quiet).long()
            frames = int(durations.sum())
            means.append(expand_by_durations(prior.means, durations, frames))
            variances.append(expand_by_durations(torch.exp(2 * prior.log_stddevs), durations, frames))
        every = torch.cat(means, dim=2)
        variance = every.var(dim=2, keepdim=True) + torch.cat(variances, dim=2).mean(dim=2, keepdim=True)
        return every.mean(dim=2, keepdim=True), variance.sqrt()


def _score(latents: Tensor, prior: generation.Prior) -> float:
    """Log-likelihood of the best alignment, nats a frame. latents: (1, channels, frames)."""
    pairs = prior_log_likelihood(latents, prior.means, prior.log_stddevs)
    durations = search_durations(pairs, *(torch.tensor([size]) for size in pairs.shape[1:]))
    path = torch.arange(durations.shape[1]).repeat_interleave(durations[0].cpu()).to(pairs.device)
    return float(pairs[0].gather(1, path.unsqueeze(1)).mean())


def near_misses(text: str, others: Sequence[str]) -> list[str]:
    """Texts that differ little from `text`, the same at every call: see `NEAR_MISSES`. Words come from `others`."""
    draw = random.Random(text)
    words = text.split()
    vocabulary = sorted({word for other in others for word in other.split()} - set(words))
    wrong = [_with_another_letter(text, draw) for _ in range(NEAR_MISSES)]
    for place in draw.choices(range(len(words)), k=NEAR_MISSES if vocabulary else 0):
        alike = sorted(vocabulary, key=lambda word: abs(len(word) - len(words[place])))[: 2 * NEAR_MISSES]
        wrong.append(" ".join([*words[:place], draw.choice(alike), *words[place + 1 :]]))
    neighbours = draw.sample(range(len(words) - 1), min(NEAR_MISSES, len(words) - 1))
    wrong += [" ".join([*words[:n], words[n + 1], words[n], *words[n + 2 :]]) for n in neighbours]
    return wrong


def _with_another_letter(text: str, draw: random.Random) -> str:
    """A vowel becomes another vowel, a consonant another consonant."""
    place = draw.choice([place for place, letter in enumerate(text) if letter in VOWELS + CONSONANTS] or [0])
    alike = (VOWELS if text[place] in VOWELS else CONSONANTS).replace(text[place], "")
    return text[:place] + draw.choice(alike) + text[place + 1 :]
