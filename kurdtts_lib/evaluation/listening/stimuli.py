"""Stimuli: loudness normalisation, low anchors that reveal inattentive listeners, and tones of the headphone check."""

import itertools
from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import scipy.signal

from kurdtts_lib.audio.levels import LOUDNESS_LUFS, LOWEST_DB, PEAK, amplitude, decibels, loudness
from kurdtts_lib.core.errors import ListeningError

LOW_ANCHOR_CUTOFF_HZ = 2500
LOW_ANCHOR_SNR_DB = 10.0
TONE_RATE = 8000
"""Hertz: enough for a tone of 200 Hz, and six trials stay small."""

Name = TypeVar("Name", bound=Hashable)


class HeadphoneTrial(NamedTuple):
    """One question of the headphone check."""

    sound: np.ndarray
    """(samples, 2), in [-1, 1], at TONE_RATE."""
    quietest: int
    """1, 2 or 3: the tone that has the lowest level."""


def same_loudness(waveforms: Mapping[Name, np.ndarray], sampling_rate: int) -> dict[Name, np.ndarray]:
    """All (samples,) at the same integrated loudness (EBU R128, `levels.loudness`): the louder of two seems better.

    No limiter: if a peak would exceed `PEAK` at `LOUDNESS_LUFS`, all waveforms get the same lower loudness. Raises
    ListeningError for a waveform that is empty, silent, not mono or not finite.
    """
    levels = {}
    for name, waveform in waveforms.items():
        if waveform.ndim != 1 or not len(waveform) or not np.isfinite(waveform).all():
            raise ListeningError(f"The sound of {name} is empty, has channels, or holds samples that are not numbers.")
        levels[name] = loudness(waveform, sampling_rate)
        if levels[name] <= LOWEST_DB:
            raise ListeningError(f"The sound of {name} is silent. Leave this sentence out, or look at the voice.")
    headroom = [levels[name] + decibels(PEAK / np.abs(waveform).max()) for name, waveform in waveforms.items()]
    target = min(LOUDNESS_LUFS, *headroom)
    return {name: waveform * amplitude(target - levels[name]) for name, waveform in waveforms.items()}


def low_anchor(waveform: np.ndarray, sampling_rate: int, rng: np.random.Generator) -> np.ndarray:
    """The low anchor of a waveform (samples,): low-pass at 2.5 kHz, plus white noise at 10 dB SNR.

    Clearly degraded: a listener who does not rate it below the hidden reference is inattentive.
    """
    cutoff = min(LOW_ANCHOR_CUTOFF_HZ, 0.45 * sampling_rate)
    filtered = scipy.signal.sosfilt(scipy.signal.butter(6, cutoff, fs=sampling_rate, output="sos"), waveform)
    noise_power = np.mean(np.square(filtered)) * 10 ** (-LOW_ANCHOR_SNR_DB / 10)
    return filtered + rng.normal(scale=np.sqrt(noise_power), size=len(filtered))


def headphone_trials(rng: np.random.Generator) -> list[HeadphoneTrial]:
    """The six questions of Woods et al. 2017, "Headphone screening to facilitate web-based auditory experiments".

    Each has three tones of 200 Hz, one second long: an ordinary one, one that is 6 dB quieter, and one in antiphase
    (right channel inverted). On headphones the second is the quietest; over two loudspeakers the channels of the third
    cancel, so that it seems the quietest. All six orders of the three, shuffled.
    In that paper's laboratory 20 of 20 people with headphones and 1 of 20 with loudspeakers had five or six right.
    The check cannot detect poor headphones or a noisy room; a single loudspeaker (a phone) cancels the third tone
    completely and gives the same answers as two; and guessing gives five or six right one time in 56.
    """
    gap = np.zeros((TONE_RATE // 2, 2))
    orders = [order for order in itertools.permutations(("ordinary", "quiet", "upside down"))]
    trials = []
    for index in rng.permutation(len(orders)):
        tones = [_tone(kind) for kind in orders[index]]
        sound = np.concatenate([tones[0], gap, tones[1], gap, tones[2]])
        trials.append(HeadphoneTrial(sound, 1 + orders[index].index("quiet")))
    return trials


def _tone(kind: str) -> np.ndarray:
    time = np.arange(TONE_RATE) / TONE_RATE
    ramp = np.clip(np.minimum(time, time[::-1]) / 0.1, 0, 1)
    tone = 0.3 * ramp * np.sin(2 * np.pi * 200 * time)
    if kind == "quiet":
        tone = tone * 10 ** (-6 / 20)
    return np.stack([tone, -tone if kind == "upside down" else tone], axis=1)
