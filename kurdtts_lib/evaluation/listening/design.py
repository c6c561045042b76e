"""A blind listening test: what is heard, in which order, under names that tell nothing."""

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
"""The answers of each kind. mos: 1 bad to 5 excellent (ITU-T P.800). cmos: how much better the second sound is than
the first, -3 to 3 (P.800, comparison category rating). abx: X is the first sound (0) or the second (1)."""
HIDDEN_REFERENCE, LOW_ANCHOR = "anchor, unspoilt", "anchor, spoilt"
ANCHORS = 2
"""Sentences of which the listener also hears a spoilt form."""
LISTENERS = 24
LETTERS = "CDGHJKLMNPQRTVWX"
"""For listeners' codes: no vowels, so that no word comes out."""


@dataclass(frozen=True)
class Trial:
    """What one listener hears at one place of the test."""

    item: str
    sounds: list[str]
    heard: list[str]
    """The systems behind `sounds`."""
    sentence: str


@dataclass(frozen=True)
class AnswerKey:
    """What only the maker has: who is behind each sound."""

    test: str
    kind: str
    systems: list[str]
    sentences: list[str]
    plans: dict[str, list[Trial]]
    """By listener's code, in the order of hearing."""
    trials: dict[str, int]
    """The sounds of the headphones check, in order, and which tone is the quietest."""
    note: str = ""
    """For the results, for example that a machine read the recordings."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "AnswerKey":
        values = json.loads(text)
        values["plans"] = {code: [Trial(**place) for place in places] for code, places in values["plans"].items()}
        return cls(**values)

    def plan(self, code: str) -> list[Trial]:
        """Raises ListeningError for a code that this test does not have."""
        if code not in self.plans:
            raise ListeningError(f"The listening test {self.test} has no code {code!r}. Look at the list of its codes.")
        return self.plans[code]

    def public(self, code: str) -> dict[str, Any]:
        """What a listener's page may know: no system, no sentence, no right answer."""
        places = [{"item": place.item, "sounds": place.sounds} for place in self.plan(code)]
        return {"kind": self.kind, "places": places, "trials": list(self.trials)}


@dataclass(frozen=True)
class ListeningTest:
    """A test that can be heard."""

    key: AnswerKey
    sounds: dict[str, bytes] = field(repr=False)
    """WAV files by the sounds' names, which tell nothing, in the order of these."""


def make_test(
    kind: str,
    systems: Mapping[str, Mapping[str, np.ndarray]],
    sampling_rate: int,
    anchors: Mapping[str, np.ndarray] | None = None,
    listeners: int = LISTENERS,
    note: str = "",
) -> ListeningTest:
    """A test of `kind` (see SCALES) between `systems`: name to sentence to waveform (samples,), all at `sampling_rate`.

    The same sounds give the same test again, with the same names and codes: whoever goes on finds the answers.
    mos: each listener hears every system say every sentence. cmos, abx: every two systems, side by side.
    anchors: real recordings, sentence to waveform, of which two are heard as they are and spoilt (`sounds.spoil`);
    without, the first system's. All sounds are brought to one loudness.
    Raises ListeningError if it cannot be made: one system, no sentence, unequal sentences, silence.
    """
    _check(kind, systems, listeners)
    names, sentences = list(systems), list(next(iter(systems.values())))
    plain = {(name, text): systems[name][text] for name in names for text in sentences}
    chosen = dict(itertools.islice((anchors or systems[names[0]]).items(), ANCHORS))
    digest = _digest(kind, str(listeners), str(sampling_rate), note, plain, chosen)
    # Every listener sees the test's name; what the hidden names are drawn from must not follow from it.
    test, rng = digest[:12], np.random.default_rng(int(digest[12:], 16))
    plain |= {(HIDDEN_REFERENCE, text): waveform for text, waveform in chosen.items()}
    plain |= {(LOW_ANCHOR, text): low_anchor(waveform, sampling_rate, rng) for text, waveform in chosen.items()}
    files = {name: wav_bytes(sound, sampling_rate) for name, sound in same_loudness(plain, sampling_rate).items()}
    opaque = _opaque_names(rng)
    # X is a file of its own: the name of A's or B's would tell which one it is.
    ids = {(name[0], name[1], copy): opaque() for name in files for copy in ("", "x")[: 2 if kind == "abx" else 1]}
    trials = [(opaque(), trial) for trial in headphone_trials(rng)]
    sounds = {id: files[name[:2]] for name, id in ids.items()}
    sounds |= {id: wav_bytes(trial.sound, TONE_RATE) for id, trial in trials}
    plans = _plans(kind, names, sentences, list(chosen), ids, listeners, rng)
    key = AnswerKey(test, kind, names, sentences, plans, {id: trial.quietest for id, trial in trials}, note)
    return ListeningTest(key, dict(sorted(sounds.items())))


def _check(kind: str, systems: Mapping[str, Mapping[str, np.ndarray]], listeners: int) -> None:
    if kind not in SCALES:
        raise ListeningError(f"There is no kind of test {kind!r}. There are: {', '.join(SCALES)}.")
    if len(systems) < 2:
        raise ListeningError("A listening test compares: give two voices at least, or a voice and recordings.")
    if reserved := {HIDDEN_REFERENCE, LOW_ANCHOR, ""} & set(systems):
        raise ListeningError(f"No system can have the name {reserved.pop()!r}. Choose another one.")
    everything = set().union(*systems.values())
    if not everything:
        raise ListeningError("A listening test needs a sentence at least.")
    for name, spoken in systems.items():
        if missing := sorted(everything - set(spoken)):
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
    given: set[str] = set()

    def new() -> str:
        while (name := rng.bytes(5).hex()) in given:
            pass
        given.add(name)
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
    opaque = _opaque_names(rng)
    item_names = {item: opaque() for item in items}
    forms = variants(len(items), {"mos": 1, "cmos": 2, "abx": 4}[kind], listeners, rng)
    plans = {}
    for listener, code in enumerate(_codes(listeners, rng)):
        form = dict(zip(items, forms[listener], strict=True))
        anchor_texts = [all_texts.index(text) for _, text in anchor_items]
        places = []
        for unit, text in order(len(units), len(sentences), anchor_texts, listener, rng):
            item = (units[unit], sentences[text]) if unit >= 0 else anchor_items[-unit - 1]
            heard = _heard(kind, item[0], int(form[item]))
            sounds = [ids[(name, item[1], "x" if place == 2 else "")] for place, name in enumerate(heard)]
            places.append(Trial(item_names[item], sounds, heard, item[1]))
        plans[code] = places
    return plans


def _heard(kind: str, unit: tuple[str, ...], form: int) -> list[str]:
    """The systems in the order of hearing: an odd form has the sides changed, forms 2 and 3 have B as X."""
    sides = list(unit[::-1] if form % 2 else unit)
    return [*sides, sides[form // 2]] if kind == "abx" else sides


def _codes(listeners: int, rng: np.random.Generator) -> list[str]:
    codes: dict[str, None] = {}
    while len(codes) < listeners:
        codes["".join(LETTERS[index] for index in rng.integers(len(LETTERS), size=4))] = None
    return list(codes)
