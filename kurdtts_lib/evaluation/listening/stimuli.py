"""What listeners hear: sounds at one loudness, spoilt sounds that show who listens, and tones that tell headphones."""

import itertools
from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import scipy.signal

from kurdtts_lib.audio.io import loudness
from kurdtts_lib.core.errors import ListeningError

TARGET_LUFS = -23.0
"""EBU R128's level for broadcasts; lower for the whole test if a sound's peak would not fit."""
PEAK = 0.99
SPOILT_CUTOFF_HZ = 2500
SPOILT_SNR_DB = 10.0
TONE_RATE = 8000
"""Hertz: enough for a tone of 200 Hz, and six trials stay small."""

Name = TypeVar("Name", bound=Hashable)


class HeadphoneTrial(NamedTuple):
    """One question of the headphones check."""

    sound: np.ndarray
    """(samples, 2), in [-1, 1], at TONE_RATE."""
    quietest: int
    """1, 2 or 3: which tone really is."""


def same_loudness(sounds: Mapping[Name, np.ndarray], sampling_rate: int) -> dict[Name, np.ndarray]:
    """All (samples,) at the same integrated loudness (EBU R128, `audio.loudness`): the louder of two seems better.

    Nothing is limited: where a peak would pass 0.99 at -23 LUFS, all sounds become quieter together. Raises
    ListeningError for a sound that is empty, silent or not a number.
    """
    levels = {}
    for name, waveform in sounds.items():
        if waveform.ndim != 1 or not len(waveform) or not np.isfinite(waveform).all():
            raise ListeningError(f"The sound of {name} is empty, has channels, or holds samples that are not numbers.")
        levels[name] = loudness(waveform, sampling_rate)
        if levels[name] == -np.inf:
            raise ListeningError(f"The sound of {name} is silent. Leave this sentence out, or look at the voice.")
    room = [levels[name] + 20 * np.log10(PEAK / np.abs(waveform).max()) for name, waveform in sounds.items()]
    target = min(TARGET_LUFS, *room)
    return {name: waveform * 10 ** ((target - levels[name]) / 20) for name, waveform in sounds.items()}


def low_anchor(waveform: np.ndarray, sampling_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A hidden anchor: (samples,) without what is above 2.5 kHz, and white noise 10 dB below the speech's power.

    Dull and noisy on purpose: whoever does not put it below the sound it was made from did not listen.
    """
    cutoff = min(SPOILT_CUTOFF_HZ, 0.45 * sampling_rate)
    dull = scipy.signal.sosfilt(scipy.signal.butter(6, cutoff, fs=sampling_rate, output="sos"), waveform)
    noise_power = np.mean(np.square(dull)) * 10 ** (-SPOILT_SNR_DB / 10)
    return dull + rng.normal(scale=np.sqrt(noise_power), size=len(dull))


def headphone_trials(rng: np.random.Generator) -> list[HeadphoneTrial]:
    """The six questions of Woods et al. 2017, "Headphone screening to facilitate web-based auditory experiments".

    Each has three tones of 200 Hz, one second long: an ordinary one, one that is 6 dB quieter, and one whose right
    channel is upside down. Through headphones the second is the quietest. From two loudspeakers the third one's
    channels cancel each other in the air, and it seems the quietest. The six orders of three, mixed.
    In that paper's laboratory 20 of 20 people with headphones and 1 of 20 with loudspeakers had five or six right.
    It cannot tell good headphones from bad ones, or a quiet room from a loud one; one loudspeaker (a phone) loses the
    third tone altogether and looks like two; and who guesses has five or six right one time in 56.
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
