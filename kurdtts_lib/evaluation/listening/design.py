"""Design of a blind listening test: stimuli under random names, and each listener's order of trials."""

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from kurdtts_lib.audio.io import wav_bytes
from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.evaluation.listening.order import order, variants
from kurdtts_lib.evaluation.listening.stimuli import TONE_RATE, headphone_trials, low_anchor, same_loudness

SCALES = {"mos": range(1, 6), "cmos": range(-3, 4), "abx": range(2)}
"""The answers of each kind of test. mos: 1 bad to 5 excellent (ITU-T P.800). cmos: how much better the second sound is
than the first, -3 to 3 (P.800, comparison category rating). abx: X is the first sound (0) or the second (1)."""
HIDDEN_REFERENCE, LOW_ANCHOR = "anchor, unspoilt", "anchor, spoilt"
ANCHORS = 2
"""Number of sentences with a low anchor and a hidden reference."""
LISTENERS = 24
LETTERS = "CDGHJKLMNPQRTVWX"
"""Alphabet of the listeners' codes: no vowels, so that no code is a word."""


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
    trials: dict[str, int]
    """The headphone check: names of its stimuli, in order, and which tone (1, 2 or 3) is the quietest."""
    note: str = ""
    """A remark for the results, for example that the recordings are synthetic speech."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "AnswerKey":
        values = json.loads(text)
        values["plans"] = {code: [Trial(**trial) for trial in trials] for code, trials in values["plans"].items()}
        return cls(**values)

    def plan(self, code: str) -> list[Trial]:
        """The trials of a listener. Raises ListeningError for a code that this test does not have."""
        if code not in self.plans:
            raise ListeningError(f"The listening test {self.test} has no code {code!r}. Look at the list of its codes.")
        return self.plans[code]

    def public(self, code: str) -> dict[str, Any]:
        """The part of the key that a listener's page gets: no systems, no sentences, no right answers."""
        places = [{"item": trial.item, "sounds": trial.sounds} for trial in self.plan(code)]
        return {"kind": self.kind, "places": places, "trials": list(self.trials)}


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
    mos: each listener hears every system with every sentence. cmos, abx: every pair of systems.
    anchors: sentence -> real recording, of which two serve as hidden reference and, degraded by `stimuli.low_anchor`,
    as low anchor; by default the first system's. All stimuli are normalised to the same loudness.
    Raises ListeningError for fewer than two systems, no sentence, different sentences, or silence.
    """
    _check(kind, systems, listeners)
    names, sentences = list(systems), list(next(iter(systems.values())))
    plain = {(name, text): systems[name][text] for name in names for text in sentences}
    chosen = dict(itertools.islice((anchors or systems[names[0]]).items(), ANCHORS))
    digest = _digest(kind, str(listeners), str(sampling_rate), note, plain, chosen)
    # The test's name is public, so the seed of the random names must not be derivable from it.
    test, rng = digest[:12], np.random.default_rng(int(digest[12:], 16))
    plain |= {(HIDDEN_REFERENCE, text): waveform for text, waveform in chosen.items()}
    plain |= {(LOW_ANCHOR, text): low_anchor(waveform, sampling_rate, rng) for text, waveform in chosen.items()}
    files = {name: wav_bytes(sound, sampling_rate) for name, sound in same_loudness(plain, sampling_rate).items()}
    new_name = _opaque_names(rng)
    # X has its own name, although its audio is that of A or B: a shared name would reveal the answer.
    ids = {(name[0], name[1], copy): new_name() for name in files for copy in ("", "x")[: 2 if kind == "abx" else 1]}
    headphones = [(new_name(), trial) for trial in headphone_trials(rng)]
    sounds = {id: files[name[:2]] for name, id in ids.items()}
    sounds |= {id: wav_bytes(trial.sound, TONE_RATE) for id, trial in headphones}
    plans = _plans(kind, names, sentences, list(chosen), ids, listeners, rng)
    key = AnswerKey(test, kind, names, sentences, plans, {id: trial.quietest for id, trial in headphones}, note)
    return ListeningTest(key, dict(sorted(sounds.items())))


def _check(kind: str, systems: Mapping[str, Mapping[str, np.ndarray]], listeners: int) -> None:
    if kind not in SCALES:
        raise ListeningError(f"There is no kind of test {kind!r}. There are: {', '.join(SCALES)}.")
    if len(systems) < 2:
        raise ListeningError("A listening test compares: give two voices at least, or a voice and recordings.")
    if reserved := {HIDDEN_REFERENCE, LOW_ANCHOR, ""} & set(systems):
        raise ListeningError(f"No system can have the name {reserved.pop()!r}. Choose another one.")
    all_sentences = set().union(*systems.values())
    if not all_sentences:
        raise ListeningError("A listening test needs a sentence at least.")
    for name, spoken in systems.items():
        if missing := sorted(all_sentences - set(spoken)):
            raise ListeningError(f"{name} does not say {missing[0]!r}, which another one says. All must say the same.")
    if listeners < 1:
        raise ListeningError("A listening test needs a listener at least.")


def _digest(*parts: str | dict[Any, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for name, waveform in part.items() if isinstance(part, dict) else [(part, np.zeros(0))]:
            digest.update(repr(name).encode("utf-8") + np.asarray(waveform, dtype="<f4").tobytes())
    return digest.hexdigest()


def _opaque_names(rng: np.random.Generator) -> Callable[[], str]:
    used: set[str] = set()

    def new() -> str:
        while (name := rng.bytes(5).hex()) in used:
            pass
        used.add(name)
        return name

    return new


def _plans(
    kind: str,
    names: list[str],
    sentences: list[str],
    anchors: list[str],
    ids: Mapping[tuple[str, str, str], str],
    listeners: int,
    rng: np.random.Generator,
) -> dict[str, list[Trial]]:
    single = kind == "mos"
    units = [(name,) for name in names] if single else list(itertools.combinations(names, 2))
    anchor_units = [(HIDDEN_REFERENCE,), (LOW_ANCHOR,)] if single else [(HIDDEN_REFERENCE, LOW_ANCHOR)]
    anchor_items = [(unit, text) for unit in anchor_units for text in anchors]
    all_texts = list(dict.fromkeys([*sentences, *anchors]))
    items = [*itertools.product(units, sentences), *anchor_items]
    new_name = _opaque_names(rng)
    item_names = {item: new_name() for item in items}
    variant_of = variants(len(items), {"mos": 1, "cmos": 2, "abx": 4}[kind], listeners, rng)
    plans = {}
    for listener, code in enumerate(_codes(listeners, rng)):
        variant = dict(zip(items, variant_of[listener], strict=True))
        anchor_texts = [all_texts.index(text) for _, text in anchor_items]
        trials = []
        for unit, text in order(len(units), len(sentences), anchor_texts, listener, rng):
            item = (units[unit], sentences[text]) if unit >= 0 else anchor_items[-unit - 1]
            heard = _order_of_systems(kind, item[0], int(variant[item]))
            sounds = [ids[(name, item[1], "x" if position == 2 else "")] for position, name in enumerate(heard)]
            trials.append(Trial(item_names[item], sounds, heard, item[1]))
        plans[code] = trials
    return plans


def _order_of_systems(kind: str, unit: tuple[str, ...], variant: int) -> list[str]:
    """The systems in presentation order: odd variants swap A and B, variants 2 and 3 have B as X."""
    sides = list(unit[::-1] if variant % 2 else unit)
    return [*sides, sides[variant // 2]] if kind == "abx" else sides


def _codes(listeners: int, rng: np.random.Generator) -> list[str]:
    codes: dict[str, None] = {}
    while len(codes) < listeners:
        codes["".join(LETTERS[index] for index in rng.integers(len(LETTERS), size=4))] = None
    return list(codes)
