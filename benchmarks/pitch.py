"""The quicker pitch tracker against librosa's pYIN as it comes: agreement on voiced frames, and processor time.

    python benchmarks/pitch.py [a folder of recordings] ...

Without an argument it takes every sixth clip of the sample, as it is and with white noise at 15 and 5 dB.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np

from kurdtts_lib.audio.features import pitch_track
from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.sources import corpus_table, read_corpus

AUDIO = AudioSettings()


def plain(waveform: np.ndarray) -> np.ndarray:
    f0, voiced, _ = librosa.pyin(
        waveform, fmin=60, fmax=500, sr=AUDIO.sampling_rate, frame_length=AUDIO.n_fft, hop_length=AUDIO.hop_length
    )
    return np.where(voiced, f0, np.nan)


def ours(waveform: np.ndarray) -> np.ndarray:
    return pitch_track(waveform, AUDIO)


def timed(track: Callable[[np.ndarray], np.ndarray], waveform: np.ndarray) -> tuple[np.ndarray, float]:
    start = time.process_time()
    return track(waveform), time.process_time() - start


def compare(name: str, waveforms: list[np.ndarray]) -> None:
    rows = [(timed(plain, sound), timed(ours, sound)) for sound in waveforms]
    before, after = (np.concatenate([row[side][0] for row in rows]) for side in (0, 1))
    slow, quick = (np.array([row[side][1] for row in rows]) for side in (0, 1))
    cents = np.abs(1200 * np.log2(after / before))
    cents = cents[~np.isnan(cents)]
    agree = np.mean(np.isnan(before) == np.isnan(after))
    factors = np.percentile(slow / quick, [10, 50, 90])
    print(
        f"| {name} | {len(rows)} | {np.median(cents):.1f} | {np.percentile(cents, 95):.1f} | "
        f"{np.mean(cents > 100):.2%} | {agree:.1%} | {slow.sum() / quick.sum():.1f} "
        f"({factors[0]:.1f} to {factors[2]:.1f}) |"
    )


def main() -> None:
    print(
        "| recordings | clips | cents, median | 95 % | over 100 | voicing agrees | times quicker (80 % of the clips) |"
    )
    print("|---|---|---|---|---|---|---|")
    clips = corpus_table(CorpusSettings())
    clips = clips[clips["fault"].eq("") & clips["seconds"].between(1.5, 8)].iloc[::6]
    sample = [decode(clip.audio, AUDIO.sampling_rate) for clip in read_corpus(CorpusSettings(), set(clips["number"]))]
    for track in (plain, ours):
        track(sample[0])  # compiled here, not in the measurement
    rng = np.random.default_rng(0)
    for folder in map(Path, sys.argv[1:]):
        compare(folder.name, [decode(path, AUDIO.sampling_rate) for path in sorted(folder.glob("*.flac"))])
    for snr_db in () if sys.argv[1:] else (None, 15, 5):
        scale = 0 if snr_db is None else 10 ** (-snr_db / 20)
        noisy = [sound + rng.normal(size=len(sound)) * scale * np.sqrt(np.mean(sound**2)) for sound in sample]
        name = "the sample" if snr_db is None else f"the sample, {snr_db} dB above noise"
        compare(name, [sound.astype(np.float32) for sound in noisy])


if __name__ == "__main__":
    main()
