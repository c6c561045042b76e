"""Design of a blind listening test: its stimuli under random names, and the order in which each listener hears them."""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.signal

from kurdtts_lib.audio.io import wav_bytes
from kurdtts_lib.audio.levels import LOUDNESS_LUFS, LOWEST_DB, PEAK, amplitude, decibels, loudness
from kurdtts_lib.core.errors import ListeningError

SCALES = {"mos": range(1, 6), "cmos": range(-3, 4)}
"""The answers of each kind of test. mos: 1 bad to 5 excellent (ITU-T P.800). cmos: how much better the second sound is
than the first, -3 to 3 (P.800, comparison category rating)."""
HIDDEN_REFERENCE, LOW_ANCHOR = "anchor, unspoilt", "anchor, spoilt"
ANCHORS = 2
"""Number of sentences with a low anchor and a hidden reference."""
LOW_ANCHOR_CUTOFF_HZ = 2500
LOW_ANCHOR_SNR_DB = 10.0
LISTENERS = 24
LETTERS = "CDGHJKLMNPQRTVWX"
"""The 16 letters of the listeners' codes: no vowels, so that no code is a word."""
ORDER_TRIES = 300
DESIGN = "3"
"""Changes with everything drawn here: a test of other names or orders must not have the name of an earlier one."""

Item = tuple[tuple[str, ...], str]
"""What one answer is about: a system, or a pair of systems, and a sentence."""
Stimulus = tuple[str, str]
"""A system and a sentence."""


@dataclass(frozen=True)
class Trial:
    """One trial: what a listener hears before giving one answer."""

    item: str
    sounds: list[str]
    heard: list[str]
    """The systems behind `sounds`, in order."""
    sentence: str


@dataclass(frozen=True)
class AnswerKey:
    """The experimenter's key to a test: which system is behind each stimulus."""

    test: str
    kind: str
    systems: list[str]
    sentences: list[str]
    plans: dict[str, list[Trial]]
    """Trials by listener's code, in presentation order."""
    note: str = ""
    """A remark for the results, for example that the recordings are synthetic speech."""

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "AnswerKey":
        """The inverse of `dataclasses.asdict`. Raises ListeningError for a kind of test that is not known."""
        check_kind(values["kind"])
        plans = {code: [Trial(**trial) for trial in trials] for code, trials in values["plans"].items()}
        names = ("test", "kind", "systems", "sentences", "note")  # version 0.1.0 wrote more
        return cls(plans=plans, **{name: values[name] for name in names})

    def plan(self, code: str) -> list[Trial]:
        """The trials of a listener. Raises ListeningError for a code that this test does not have."""
        if code not in self.plans:
            raise ListeningError(f"The test {self.test} has no code {code!r:.100}. Look at the list of its codes.")
        return self.plans[code]

    def public(self, code: str) -> dict[str, Any]:
        """The part of the key that a listener's page gets: no systems, no sentences."""
        places = [{"item": trial.item, "sounds": trial.sounds} for trial in self.plan(code)]
        return {"kind": self.kind, "places": places}


@dataclass(frozen=True)
class ListeningTest:
    """A test with its audio."""

    key: AnswerKey
    sounds: dict[str, bytes] = field(repr=False)
    """WAV files by random name, sorted by name, so that the order reveals nothing."""


def make_test(
    kind: str,
    systems: Mapping[str, Mapping[str, np.ndarray]],
    sampling_rate: int,
    anchors: Mapping[str, np.ndarray] | None = None,
    listeners: int = LISTENERS,
    note: str = "",
) -> ListeningTest:
    """A test of `kind` (see SCALES) between `systems`: name -> sentence -> waveform (samples,), all at `sampling_rate`.

    The same input gives the same test with the same names and codes, so that answers given earlier still fit.
    mos: each listener hears every system with every sentence. cmos: every pair of systems.
    anchors: sentence -> real recording, of which two serve as hidden reference and, degraded by `low_anchor`, as low
    anchor; by default the first system's. All stimuli are normalised to the same loudness.
    Raises ListeningError for fewer than two systems, no sentence, different sentences, or silence.
    """
    check_kind(kind)
    names, sentences = list(systems), list(next(iter(systems.values()), []))
    if len(names) < 2 or not sentences or any(set(systems[name]) != set(sentences) for name in names):
        raise ListeningError(
            "A listening test compares: give two voices at least, or a voice and recordings, which all say the same "
            "sentences, one at least."
        )
    plain = {(name, text): systems[name][text] for name in names for text in sentences}
    chosen = dict(itertools.islice((anchors or systems[names[0]]).items(), ANCHORS))
    about = DESIGN, kind, listeners, sampling_rate, note, list(plain), list(chosen)
    digest = hashlib.sha256(repr(about).encode("utf-8"))
    for waveform in (*plain.values(), *chosen.values()):
        digest.update(np.asarray(waveform, dtype="<f4").tobytes())
    # The test's name is public, so the seed of the random names must not be derivable from it.
    test, rng = digest.hexdigest()[:12], np.random.default_rng(int(digest.hexdigest()[12:], 16))
    plain |= {(HIDDEN_REFERENCE, text): waveform for text, waveform in chosen.items()}
    plain |= {(LOW_ANCHOR, text): low_anchor(waveform, sampling_rate, rng) for text, waveform in chosen.items()}
    levelled = same_loudness(plain, sampling_rate)
    ids: dict[Stimulus, str] = defaultdict(lambda: _random_name(rng))
    plans = _plans(kind, names, sentences, list(chosen), ids, listeners, rng)
    sounds = {id: wav_bytes(levelled[stimulus], sampling_rate) for stimulus, id in ids.items()}
    return ListeningTest(AnswerKey(test, kind, names, sentences, plans, note), dict(sorted(sounds.items())))


def check_kind(kind: str) -> None:
    if kind not in SCALES:
        raise ListeningError(f"There is no kind of test {kind!r}. There are: {', '.join(SCALES)}.")


def _random_name(rng: np.random.Generator) -> str:
    return rng.bytes(8).hex()  # 64 bits: no two are alike


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


def _plans(
    kind: str,
    names: Sequence[str],
    sentences: Sequence[str],
    anchors: Sequence[str],
    ids: dict[Stimulus, str],
    listeners: int,
    rng: np.random.Generator,
) -> dict[str, list[Trial]]:
    """Trials by listener's code. anchors: their sentences; ids: names of sounds."""
    size = 1 if kind == "mos" else 2
    units = list(itertools.combinations(names, size))
    anchor_items = list(itertools.product(itertools.combinations((HIDDEN_REFERENCE, LOW_ANCHOR), size), anchors))
    items: list[Item] = [*itertools.product(units, sentences), *anchor_items]
    item_names: dict[Item, str] = defaultdict(lambda: _random_name(rng))
    # Every second listener hears a pair the other way round; for one listener the two numbers differ by at most one.
    first_swapped = rng.permutation(np.arange(len(items)) % 2)
    plans = {}
    for listener, number in enumerate(rng.choice(len(LETTERS) ** 4, listeners, replace=False)):
        swapped = dict(zip(items, (first_swapped + listener) % 2, strict=True))
        trials = []
        for unit, text in order(units, sentences, anchor_items, listener, rng):
            heard = list(unit[::-1] if swapped[unit, text] else unit)
            sounds = [ids[name, text] for name in heard]
            trials.append(Trial(item_names[unit, text], sounds, heard, text))
        plans[f"{number:04x}".translate(str.maketrans("0123456789abcdef", LETTERS))] = trials
    return plans


def order(
    units: Sequence[tuple[str, ...]],
    sentences: Sequence[str],
    anchors: Sequence[Item],
    listener: int,
    rng: np.random.Generator,
) -> list[Item]:
    """One listener's items in presentation order. A unit is a system, or a pair of systems.

    Each block of as many items as there are units contains each unit once, and over as many consecutive listeners each
    unit is once at each position (a cyclic Latin square, shifted by one for each listener and block), so that no
    position favours a system. The order of sentences is random. Anchors are at random positions, and the balance does
    not count them. Of at most `ORDER_TRIES` random orders the first without the same sentence twice in succession is
    taken, or else the last.
    """
    for _ in range(ORDER_TRIES):
        texts = rng.permutation(len(sentences))
        shifts = rng.permutation(max(len(units), len(sentences)))
        items = [
            (units[unit], sentences[texts[(block + shifts[unit]) % len(sentences)]])
            for block in range(len(sentences))
            for unit in ((first + listener + block) % len(units) for first in range(len(units)))
        ]
        for anchor in anchors:
            items.insert(rng.integers(len(items) + 1), anchor)
        if all(first[1] != second[1] for first, second in itertools.pairwise(items)):
            break
    return items
