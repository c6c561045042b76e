"""Validate the word metrics: speech is damaged in known steps, and they must fall step by step.

    python benchmarks/words.py              needs the program espeak-ng; two minutes on two cores

Readers are espeak-ng's, one of whom taught the listener, models/tiny-kmr. No figure here is of human speech.
"""

import io
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence

import librosa
import numpy as np
import scipy.signal
import soundfile

from kurdtts_lib.audio.features import trim
from kurdtts_lib.audio.io import resample
from kurdtts_lib.core.settings import REPOSITORY, AudioSettings
from kurdtts_lib.evaluation.confidence import estimate
from kurdtts_lib.evaluation.words import CONSONANTS, VOWELS, WORD_METRICS, Listener, bundled_sentences
from kurdtts_lib.vits.voice import load_voice

AUDIO = AudioSettings()
RATE = AUDIO.sampling_rate
READERS = {
    "the listener's own (ku)": ["-v", "ku", "-p", "42", "-s", "160"],
    "woman (belinda)": ["-v", "ku+belinda", "-s", "165"],
    "man (m2)": ["-v", "ku+m2", "-p", "75", "-s", "170"],
    "woman (f5)": ["-v", "ku+f5", "-p", "60", "-s", "165"],
}
Damage = Callable[[np.ndarray], np.ndarray]


def read_aloud(text: str, reader: list[str]) -> np.ndarray:
    spoken = subprocess.run(["espeak-ng", *reader, "--stdout", text], check=True, capture_output=True).stdout
    waveform, rate = soundfile.read(io.BytesIO(spoken), dtype="float32")
    waveform = trim(resample(waveform, rate, RATE))
    return 0.6 * waveform / np.abs(waveform).max()


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
    "low-pass, Hz": [(str(hertz), muffled(hertz)) for hertz in (4000, 2000, 1000, 500)],
    "uneven durations, factor": [(str(factor), unevenly_stretched(factor)) for factor in (1.25, 1.5, 2.0)],
}


def systems(reader: list[str], texts: Sequence[str]) -> Iterator[tuple[str, str, list[np.ndarray]]]:
    """(kind of damage, its step, waveforms of all texts)."""
    clean = [read_aloud(text, reader) for text in texts]
    yield "none", "", clean
    for kind, steps in DAMAGES.items():
        for step, damage in steps:
            yield kind, step, [damage(waveform) for waveform in clean]
    for share in (0.05, 0.1, 0.2, 0.4):
        draw = random.Random(1)
        yield (
            "wrong letters, share",
            str(share),
            [read_aloud(with_wrong_letters(t, share, draw), reader) for t in texts],
        )
    yield "another sentence", "", clean[1:] + clean[:1]


def main() -> None:
    listener = Listener(load_voice(REPOSITORY / "models" / "tiny-kmr"), AUDIO)
    texts = bundled_sentences()
    print(f"{len(texts)} sentences; mean (95 % interval)")
    print("| reader | damage | step | " + " | ".join(WORD_METRICS) + " |\n|---|---|---|---|---|---|")
    for name, reader in READERS.items():
        for kind, step, waveforms in systems(reader, texts):
            found = listener.metrics(waveforms, texts)
            print(
                f"| {name} | {kind} | {step} | {' | '.join(str(estimate(found[key])) for key in WORD_METRICS)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
