"""Design of a blind listening test: its stimuli under random names, and the order in which each listener hears them."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.signal

from kurdtts_lib.audio.io import wav_bytes
from kurdtts_lib.audio.levels import LOUDNESS_LUFS, LOWEST_DB, PEAK, amplitude, decibels, loudness
from kurdtts_lib.core.errors import ListeningError

SCALE = range(1, 6)
"""The answers: how natural it sounds, 1 bad to 5 excellent (ITU-T P.800)."""
HIDDEN_REFERENCE, LOW_ANCHOR = "anchor, unspoilt", "anchor, spoilt"
ANCHORS = 2
"""Number of sentences with a low anchor and a hidden reference."""
LOW_ANCHOR_CUTOFF_HZ = 2500
LOW_ANCHOR_SNR_DB = 10.0
LISTENERS = 24
LETTERS = "CDGHJKLMNPQRTVWX"
"""The 16 letters of the listeners' codes: no vowels, so that no code is a word."""
ORDER_TRIES = 300
DESIGN = "4"
"""Changes with everything drawn here: a test of other names or orders must not have the name of an earlier one."""

Stimulus = tuple[str, str]
"""A system and a sentence."""


@dataclass(frozen=True)
class Trial:
    """What a listener hears before giving one answer."""

    item: str
    """The random name of the sound, and of the answer to it."""
    system: str
    sentence: str


@dataclass(frozen=True)
class AnswerKey:
    """The experimenter's key to a test: which system is behind each stimulus."""

    test: str
    systems: list[str]
    sentences: list[str]
    plans: dict[str, list[Trial]]
    """Trials by listener's code, in presentation order."""
    note: str = ""
    """A remark for the results, for example that the recordings are synthetic speech."""

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "AnswerKey":
        """The inverse of `dataclasses.asdict`."""
        plans = {code: [Trial(**one) for one in trials] for code, trials in values["plans"].items()}
        return cls(**values | {"plans": plans})

    def plan(self, code: str) -> list[Trial]:
        """The trials of a listener. Raises ListeningError for a code that this test does not have."""
        if code not in self.plans:
            raise ListeningError(f"The test {self.test} has no code {code!r:.100}. Look at the list of its codes.")
        return self.plans[code]

    def public(self) -> dict[str, list[str]]:
        """What the listeners' page gets of the key: the names of the sounds by code, no systems, no sentences."""
        return {code: [trial.item for trial in trials] for code, trials in self.plans.items()}


@dataclass(frozen=True)
class ListeningTest:
    """A test with its audio."""

    key: AnswerKey
    sounds: dict[str, bytes] = field(repr=False)
    """WAV files by random name, sorted by name, so that the order reveals nothing."""


def make_test(
    systems: Mapping[str, Mapping[str, np.ndarray]],
    sampling_rate: int,
    anchors: Mapping[str, np.ndarray] | None = None,
    listeners: int = LISTENERS,
    note: str = "",
) -> ListeningTest:
    """A test between `systems`: name -> sentence -> waveform (samples,), all at `sampling_rate`.

    The same input gives the same test with the same names and codes, so that answers given earlier still fit.
    Each listener hears every system with every sentence.
    anchors: sentence -> real recording, of which two serve as hidden reference and, degraded by `low_anchor`, as low
    anchor; by default the first system's. All stimuli are normalised to the same loudness.
    Raises ListeningError for fewer than two systems, no sentence, different sentences, or silence.
    """
    names, sentences = list(systems), list(next(iter(systems.values()), []))
    if len(names) < 2 or not sentences or any(set(systems[name]) != set(sentences) for name in names):
        raise ListeningError(
            "A listening test compares: give two voices at least, or a voice and recordings, which all say the same "
            "sentences, one at least."
        )
    plain = {(name, text): systems[name][text] for name in names for text in sentences}
    chosen = dict(itertools.islice((anchors or systems[names[0]]).items(), ANCHORS))
    about = DESIGN, listeners, sampling_rate, note, list(plain), list(chosen)
    digest = hashlib.sha256(repr(about).encode("utf-8"))
    for waveform in (*plain.values(), *chosen.values()):
        digest.update(np.asarray(waveform, dtype="<f4").tobytes())
    # The test's name is public, so the seed of the random names must not be derivable from it.
    test, rng = digest.hexdigest()[:12], np.random.default_rng(int(digest.hexdigest()[12:], 16))
    hidden = {(HIDDEN_REFERENCE, text): waveform for text, waveform in chosen.items()}
    hidden |= {(LOW_ANCHOR, text): low_anchor(waveform, sampling_rate, rng) for text, waveform in chosen.items()}
    levelled = same_loudness(plain | hidden, sampling_rate)
    items = {stimulus: rng.bytes(8).hex() for stimulus in levelled}  # 64 bits: no two are alike
    letters = str.maketrans("0123456789abcdef", LETTERS)
    numbers = rng.choice(len(LETTERS) ** 4, listeners, replace=False)
    codes = [f"{number:04x}".translate(letters) for number in numbers]
    plans = {
        code: [Trial(items[heard], *heard) for heard in order(names, sentences, list(hidden), listener, rng)]
        for listener, code in enumerate(codes)
    }
    sounds = {items[stimulus]: wav_bytes(levelled[stimulus], sampling_rate) for stimulus in items}
    return ListeningTest(AnswerKey(test, names, sentences, plans, note), dict(sorted(sounds.items())))


def same_loudness(waveforms: Mapping[Stimulus, np.ndarray], sampling_rate: int) -> dict[Stimulus, np.ndarray]:
    """All (samples,) at the same integrated loudness (EBU R128, `levels.loudness`): the louder of two seems better.

    No limiter: if a peak would exceed `PEAK` at `LOUDNESS_LUFS`, all waveforms get the same lower loudness. Raises
    ListeningError for a waveform that is empty, silent or not finite.
    """
    levels = {stimulus: loudness(waveform, sampling_rate) for stimulus, waveform in waveforms.items()}
    for (system, text), waveform in waveforms.items():
        if levels[system, text] == LOWEST_DB or not np.isfinite(waveform).all():
            raise ListeningError(
                f"The sound of {text!r} by {system} is empty, silent, or holds samples that are not numbers. "
                "Leave this sentence out, or look at the voice."
            )
    headroom = (levels[name] + decibels(PEAK / np.abs(waveform).max()) for name, waveform in waveforms.items())
    target = min(LOUDNESS_LUFS, *headroom)
    return {name: waveform * amplitude(target - levels[name]) for name, waveform in waveforms.items()}


def low_anchor(waveform: np.ndarray, sampling_rate: int, rng: np.random.Generator) -> np.ndarray:
    """The low anchor of a waveform (samples,): low-pass at 2.5 kHz, plus white noise at 10 dB SNR.

    Clearly degraded: a listener who does not rate it below the hidden reference is inattentive.
    """
    low_pass = scipy.signal.butter(6, LOW_ANCHOR_CUTOFF_HZ, fs=sampling_rate, output="sos")
    filtered = scipy.signal.sosfilt(low_pass, waveform)
    noise_power = np.mean(np.square(filtered)) * 10 ** (-LOW_ANCHOR_SNR_DB / 10)
    return filtered + rng.normal(scale=np.sqrt(noise_power), size=len(filtered))


def order(
    systems: Sequence[str],
    sentences: Sequence[str],
    anchors: Sequence[Stimulus],
    listener: int,
    rng: np.random.Generator,
) -> list[Stimulus]:
    """What one listener hears, in presentation order.

    Each block of as many stimuli as there are systems has each system once, and over as many consecutive listeners each
    system is once at each position (a cyclic Latin square, shifted by one for each listener and block), so that no
    position favours a system. The order of sentences is random. Anchors are at random positions, and the balance does
    not count them. Of at most `ORDER_TRIES` random orders the first without the same sentence twice in succession is
    taken, or else the last.
    """
    for _ in range(ORDER_TRIES):
        texts = rng.permutation(len(sentences))
        shifts = rng.permutation(max(len(systems), len(sentences)))
        heard = [
            (systems[number], sentences[texts[(block + shifts[number]) % len(sentences)]])
            for block in range(len(sentences))
            for number in ((first + listener + block) % len(systems) for first in range(len(systems)))
        ]
        for anchor in anchors:
            heard.insert(rng.integers(len(heard) + 1), anchor)
        if all(first[1] != second[1] for first, second in itertools.pairwise(heard)):
            break
    return heard
