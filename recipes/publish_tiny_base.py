"""Measure the voice that `train_tiny_base.py` trained and write `models/tiny-kmr`.

    python recipes/publish_tiny_base.py

All metrics are computed on the held-out sentences, which were not used in training.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from train_tiny_base import AUDIO, STAGES, WORK, load_clips, make_voice

from kurdtts_lib.audio import levels
from kurdtts_lib.audio.features import pitch_track, trim
from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.files import atomic_path
from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.evaluation.metrics import duration_ratio, mel_cepstral_distance, mel_distance
from kurdtts_lib.evaluation.validation import validator
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.checkpoint import checkpoints
from kurdtts_lib.vits.log import History, read_log
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice, load_voice, save_voice

TARGET = REPOSITORY / "models" / "tiny-kmr"
SAMPLES = 3
Measure = Callable[[np.ndarray, np.ndarray], float]
MEASURES: dict[str, Measure] = {
    "mel_cepstral_distance": lambda reference, speech: mel_cepstral_distance(reference, speech, AUDIO)[0],
    "mel_distance": lambda reference, speech: mel_distance(reference, speech, AUDIO),
}


def load_trained() -> Voice:
    """The voice of the last stage that holds a checkpoint."""
    training, validation, _ = load_clips()
    voice = make_voice()
    for name, settings in STAGES.items():
        if checkpoints(WORK / name):
            Trainer(
                voice, training, validator(validation, AUDIO, settings.validation_clips), settings, AUDIO, WORK / name
            )
    return voice


def other_sentences(recordings: Sequence[np.ndarray]) -> list[int]:
    """For each recording, the index of that of another sentence with the most similar length."""
    lengths = np.array([len(trim(recording)) for recording in recordings], dtype=float)
    differences = np.abs(lengths[:, None] - lengths[None, :])
    np.fill_diagonal(differences, np.inf)
    return differences.argmin(axis=1).tolist()


def measure(voice: Voice) -> dict:
    """Distances to the right and to a wrong sentence; two floors: noise, and the same reader's other sentence."""
    clips = load_clips()[2]
    recordings = [decode(clip.path, AUDIO.sampling_rate) for clip in clips]
    speech = [speak(voice, clip.text, level=False) for clip in clips]
    wrong = other_sentences(recordings)
    random = np.random.default_rng(1)
    metrics: dict = {"sentences": len(clips)}
    for name, distance in MEASURES.items():
        right = np.array([distance(*pair) for pair in zip(recordings, speech, strict=True)])
        to_wrong = np.array([distance(recordings[wrong[i]], speech[i]) for i in range(len(clips))])
        noise = [distance(r, random.normal(0, 0.1, len(r)).astype(np.float32)) for r in recordings]
        other = [distance(recordings[i], recordings[wrong[i]]) for i in range(len(clips))]
        metrics[name] = {
            "right": float(right.mean()),
            "wrong": float(to_wrong.mean()),
            "ratio": float(right.mean() / to_wrong.mean()),
            "right_below_wrong": int((right < to_wrong).sum()),
            "floor_noise": float(np.mean(noise)),
            "floor_same_voice_other_sentence": float(np.mean(other)),
        }
    ratios = [duration_ratio(*pair) for pair in zip(recordings, speech, strict=True)]
    metrics["duration_ratio"] = {"mean": float(np.mean(ratios)), "standard_deviation": float(np.std(ratios))}
    loudness = [levels.rms_db(b) - levels.rms_db(a) for a, b in zip(recordings, speech, strict=True)]
    metrics["loudness_difference_db"] = float(np.mean(loudness))
    metrics["pitch"] = {"reader": _median_pitch(recordings), "voice": _median_pitch(speech)}
    return metrics


def _median_pitch(waveforms: Sequence[np.ndarray]) -> float:
    """Median F0 in Hertz of the first 20 waveforms only: pYIN is slow."""
    tracks = [pitch_track(waveform, AUDIO) for waveform in waveforms[:20]]
    return float(np.nanmedian(np.concatenate(tracks)))


def history() -> History:
    """All logged steps and validations of all stages, numbered consecutively."""
    whole = History()
    for name in STAGES:
        log, first = read_log(WORK / name), len(whole.steps)
        whole.steps += [dataclasses.replace(report, step=first + report.step) for report in log.steps]
        whole.validations += [dataclasses.replace(found, step=first + found.step) for found in log.validations]
    return whole


def draw_curve(log: History, target: Path) -> None:
    """Plot the mel loss in training and the mel distance of the validation sentences."""
    figure, (loss, held_out) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    steps = np.array([report.step for report in log.steps])
    mel = np.array([report.terms["mel"] for report in log.steps])
    window = 50
    loss.plot(steps[window - 1 :], np.convolve(mel, np.ones(window) / window, mode="valid"), color="#0072B2")
    loss.set(title=f"Mel loss, mean of {window} steps", xlabel="step", ylim=(0, None))
    held_out.plot(
        [found.step for found in log.validations],
        [found.mel_distance for found in log.validations],
        marker="o",
        color="#E69F00",
    )
    held_out.set(title="Held-out sentences: mel distance", xlabel="step", ylim=(0, None))
    with atomic_path(target) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
    plt.close(figure)


def readme(metrics: dict, log: History, parameters: int) -> str:
    mcd, mel, ratio = metrics["mel_cepstral_distance"], metrics["mel_distance"], metrics["duration_ratio"]
    stages = "".join(
        f"- `{name}`: {len(read_log(WORK / name).steps)} steps of {settings.batch_size} sentences, "
        f"{'without' if settings.adversarial_from else 'with'} a discriminator, rate {settings.learning_rate:g}\n"
        for name, settings in STAGES.items()
    )
    hours = sum(report.seconds for report in log.steps) / 3600

    def row(title: str, key: str) -> str:
        return f"| {title} | {mcd[key]:.2f} | {mel[key]:.2f} |\n"

    return f"""---
language: kmr
license: cc0-1.0
library_name: transformers
pipeline_tag: text-to-speech
---
# tiny-kmr: the small base voice of the course

**A machine taught this voice.** It learned from sentences that espeak-ng's Kurdish voice read, so at its best it
sounds like that machine. It exists so that the course runs everywhere: offline, without a graphics card, in minutes.
For a voice of your own use the full profile, which begins with MMS.

Same architecture, tokenizer and file form as `facebook/mms-tts-kmr-script_latin` (VITS, 16 kHz, one frame every 256
samples), but small: {parameters / 1e6:.2f} million parameters, stored in 16 bits. `discriminator.safetensors` is the
discriminator it was trained with.

## How it was trained

From nothing, by `recipes/train_tiny_base.py`, on {len(load_clips()[0])} sentences of Common Voice's text collection
(`server/data/kmr/sentence-collector.txt`, 2021, CC0; 4 to 14 words, the 31 letters only), none of them in the
course's sample. On one to two processor cores, {hours:.1f} hours of steps:

{stages}
![curve](curve.png)

## How good it is

Measured on {metrics["sentences"]} sentences it never saw, against the machine reader's own recording of each, frames
matched by DTW. A *wrong* sentence is another recording of similar length.

| distance | MCD (dB) | mel distance |
|---|---|---|
{row("to the right sentence", "right")}{row("to a wrong sentence", "wrong")}{row("floor: noise", "floor_noise")}{
        row("floor: the reader reading another sentence", "floor_same_voice_other_sentence")
    }
- The right sentence is nearer than the wrong one in {mcd["right_below_wrong"]} of {metrics["sentences"]} (MCD) and
  {mel["right_below_wrong"]} of {metrics["sentences"]} (mel distance).
- Right over wrong: {100 * mcd["ratio"]:.0f} % (MCD), {100 * mel["ratio"]:.0f} % (mel distance).
- Pace: {ratio["mean"]:.2f} times the reader's (standard deviation {ratio["standard_deviation"]:.2f}).
- Loudness: {metrics["loudness_difference_db"]:+.1f} dB against the reader.
- Pitch: median {metrics["pitch"]["voice"]:.0f} Hz, the reader {metrics["pitch"]["reader"]:.0f} Hz (20 sentences).
  62.5 Hz is the rate of the model's frames: a voice that hums at it has not learned the reader's low pitch yet.

No person has judged this voice, and no recogniser was at hand: the figures say that it says the right sounds in the
reader's voice, not how natural it is. `samples/` holds three of the sentences, read by the machine and by this voice.
"""


def main() -> None:
    torch.set_num_threads(2)
    voice = load_trained()
    log = history()
    metrics = measure(voice)
    parameters = sum(parameter.numel() for parameter in voice.model.parameters())
    voice.card = {
        "name": "tiny-kmr",
        "licence": "CC0 1.0",
        "data": "Common Voice sentences (CC0), read by espeak-ng",
        "steps": len(log.steps),
        "parameters": parameters,
        "figures": metrics,
    }
    samples = {}
    for number, clip in enumerate(load_clips()[2][:SAMPLES], 1):
        samples[f"{number}-machine-reader.wav"] = decode(clip.path, AUDIO.sampling_rate)
        samples[f"{number}-tiny-kmr.wav"] = speak(voice, clip.text, level=False)
    for module in (voice.model, voice.discriminator):
        if module is not None:
            module.half()
    save_voice(voice, TARGET, readme(metrics, log, parameters), samples)
    draw_curve(log, TARGET / "curve.png")
    # The metrics are of the unsaved voice: saving in 16 bits must not change those that the card shows.
    saved = measure(load_voice(TARGET))["mel_cepstral_distance"]
    print(json.dumps(metrics, indent=2))
    print(f"after saving in 16 bits: MCD {saved['right']:.3f} dB, right nearer in {saved['right_below_wrong']}")


if __name__ == "__main__":
    main()
