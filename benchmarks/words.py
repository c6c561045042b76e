"""Validate the word metrics: speech is damaged in known steps, and they must fall step by step.

    python benchmarks/words.py                        needs the program espeak-ng; some minutes
    python benchmarks/words.py --damages room babble  only the kinds that begin so

Readers are espeak-ng's, one of whom taught the listener, models/tiny-kmr. No figure here is of human speech.
"""

import argparse
import functools
import random
import sys
from collections.abc import Callable, Iterator, Sequence

import acoustics
import librosa
import numpy as np
import pandas
import scipy.signal
from clean_speech import read_aloud

from kurdtts_lib.core.settings import REPOSITORY, AudioSettings
from kurdtts_lib.evaluation.confidence import Estimate, estimate
from kurdtts_lib.evaluation.words import Listener, bundled_sentences
from kurdtts_lib.text.language import CONSONANTS, VOWELS
from kurdtts_lib.vits.voice import load_voice

AUDIO = AudioSettings()
RATE = AUDIO.sampling_rate
READERS = {
    "the listener's own (ku)": ["-v", "ku", "-p", "42", "-s", "160"],
    "woman (belinda)": ["-v", "ku+belinda", "-s", "165"],
    "man (m2)": ["-v", "ku+m2", "-p", "75", "-s", "170"],
    "woman (f5)": ["-v", "ku+f5", "-p", "60", "-s", "165"],
}
CROWD = ("m7", "Andrea", "pablo", "linda", "michel", "anika")
"""Variants of espeak-ng's voice that speak in the babble: none of the readers."""
Damage = Callable[[np.ndarray], np.ndarray]


def with_wrong_letters(text: str, share: float, draw: random.Random) -> str:
    def other(letter: str) -> str:
        alike = next((group for group in (VOWELS, CONSONANTS) if letter in group), letter)
        return draw.choice(alike.replace(letter, "") or letter) if draw.random() < share else letter

    return "".join(other(letter) for letter in text)


def noisy(snr_db: float) -> Damage:
    draw = np.random.default_rng(0)

    def add(waveform: np.ndarray) -> np.ndarray:
        return waveform + draw.normal(0, waveform.std() * 10 ** (-snr_db / 20), len(waveform)).astype(np.float32)

    return add


@functools.cache
def in_a_room(seconds: float) -> Damage:
    response = acoustics.impulse_response(seconds, RATE, np.random.default_rng(0))
    return lambda waveform: acoustics.reverberant(waveform, response)


@functools.cache
def _crowd() -> list[np.ndarray]:
    """Ten sentences by each of `CROWD`, one after the other."""
    texts = bundled_sentences()
    return [
        np.concatenate([read_aloud(text, ["-v", f"ku+{variant}"], RATE) for text in texts[number::6][:10]])
        for number, variant in enumerate(CROWD)
    ]


def in_a_crowd(snr_db: float, room: Damage = lambda waveform: waveform) -> Damage:
    draw = np.random.default_rng(0)

    def add(waveform: np.ndarray) -> np.ndarray:
        babble = room(acoustics.make_noise("babble", len(waveform), RATE, draw, _crowd()))
        return acoustics.with_noise(room(waveform), babble / acoustics.rms(babble), snr_db)

    return add


def muffled(hertz: int) -> Damage:
    filters = scipy.signal.butter(6, hertz, fs=RATE, output="sos")
    return lambda waveform: scipy.signal.sosfilt(filters, waveform).astype(np.float32)


def unevenly_stretched(factor: float) -> Damage:
    """Pieces of 0.2 s are in turn `factor` times longer and shorter: the sentence stays about as long."""

    def stretch(waveform: np.ndarray) -> np.ndarray:
        pieces = np.array_split(waveform, max(2, len(waveform) // (RATE // 5)))
        rates = [factor if number % 2 else 1 / factor for number in range(len(pieces))]
        return np.concatenate(
            [librosa.effects.time_stretch(piece, rate=r) for piece, r in zip(pieces, rates, strict=True)]
        )

    return stretch


DAMAGES: dict[str, list[tuple[str, Damage]]] = {
    "white noise, dB SNR": [(str(snr), noisy(snr)) for snr in (30, 20, 10, 5, 0)],
    "babble of six, dB SNR": [(str(snr), in_a_crowd(snr)) for snr in (20, 10, 5, 0)],
    "room, s": [(str(seconds), in_a_room(seconds)) for seconds in (0.3, 0.6, 1.0)],
    "room of 0.6 s with babble, dB SNR": [(str(snr), in_a_crowd(snr, in_a_room(0.6))) for snr in (20, 10)],
    "low-pass, Hz": [(str(hertz), muffled(hertz)) for hertz in (4000, 2000, 1000, 500)],
    "uneven durations, factor": [(str(factor), unevenly_stretched(factor)) for factor in (1.25, 1.5, 2.0)],
}


def systems(reader: list[str], texts: Sequence[str], damages: Sequence[str]) -> Iterator[tuple[str, str, list]]:
    """(kind of damage, its step, waveforms of all texts). damages: how the kinds begin; empty: all."""
    clean = [read_aloud(text, reader, RATE) for text in texts]
    wanted = tuple(damages) or ("",)
    if "none".startswith(wanted):
        yield "none", "", clean
    for kind, steps in DAMAGES.items():
        for step, damage in steps if kind.startswith(wanted) else ():
            yield kind, step, [damage(waveform) for waveform in clean]
    for share in (0.05, 0.1, 0.2, 0.4) if "wrong letters".startswith(wanted) else ():
        draw = random.Random(1)
        wrong = [with_wrong_letters(text, share, draw) for text in texts]
        yield "wrong letters, share", str(share), [read_aloud(text, reader, RATE) for text in wrong]
    if "another sentence".startswith(wanted):
        yield "another sentence", "", clean[1:] + clean[:1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--damages", nargs="*", default=[], help="kinds of damage, by how they begin; default: all")
    arguments = parser.parse_args()
    listener, texts = Listener(load_voice(REPOSITORY / "models" / "tiny-kmr"), AUDIO), bundled_sentences()
    found: dict[tuple[str, str], list[pandas.DataFrame]] = {}
    for number, reader in enumerate(READERS.values(), 1):
        for kind, step, waveforms in systems(reader, texts, arguments.damages):
            found.setdefault((kind, step), []).append(listener.metrics(waveforms, texts))
        print(f"reader {number} of {len(READERS)}", file=sys.stderr, flush=True)
    widest = max((estimate(table["words_margin"]) for row in found.values() for table in row), key=_half_width)
    print(f"{len(texts)} sentences; half a 95 % interval of a margin is {_half_width(widest):.2f} at most\n")
    print(f"| damage | step | margin: {' | margin: '.join(READERS)} | right first (least) | near misses (least) |")
    print("|" + "---|" * (len(READERS) + 4))
    for (kind, step), tables in found.items():
        margins = [table["words_margin"].mean() for table in tables]
        least = [min(table[name].mean() for table in tables) for name in ("words_first", "near_misses")]
        print(f"| {kind} | {step} | {' | '.join(f'{value:.2f}' for value in margins + least)} |")


def _half_width(found: Estimate) -> float:
    return 0.0 if found.low is None or found.high is None else (found.high - found.low) / 2


if __name__ == "__main__":
    main()
