"""Measure the voice that `train_tiny_base.py` trained and write `models/tiny-kmr`.

    python recipes/publish_tiny_base.py            measures it, and `models/tiny-kmr` as it is now beside it
    python recipes/publish_tiny_base.py --write    replaces `models/tiny-kmr`, too

All metrics are computed on sentences that neither the voice nor the listener has learned.
"""

import argparse
import dataclasses
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas
import torch
from train_tiny_base import AUDIO, BASE, LISTENER, load_clips, load_trained

from kurdtts_lib.audio.features import pitch_track, trim
from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.files import atomic_path
from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.data.dataset import Clip, Parts
from kurdtts_lib.evaluation.confidence import estimate
from kurdtts_lib.evaluation.evaluate import RECORDING, evaluate, system_of
from kurdtts_lib.evaluation.held_out import held_out_of
from kurdtts_lib.evaluation.metrics import METRIC_DESCRIPTIONS
from kurdtts_lib.evaluation.words import Listener
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.log import History, read_log
from kurdtts_lib.vits.voice import Voice, load_voice, save_voice

TARGET = REPOSITORY / "models" / "tiny-kmr"
SENTENCES, SAMPLES = 48, 3
SHOWN = (
    "mel_cepstral_distance", "mel_distance", "speaker_distance", "pitch", "pitch_error", "voicing_error",
    "duration_ratio", "loudness_difference_db", "words_margin", "words_first", "near_misses",
)  # fmt: skip
HUM = "autocorrelation at a lag of one frame"


def hum(waveform: np.ndarray) -> float:
    """Normalised autocorrelation of a waveform (samples,) at a lag of one frame, the mean over its voiced frames.

    About 0 in speech. A voice whose sound repeats with every frame, whatever its pitch should be, is near 1.
    """
    waveform, hop = trim(waveform), AUDIO.hop_length
    voiced = np.flatnonzero(np.isfinite(pitch_track(waveform, AUDIO))) * hop
    pairs = [(waveform[at : at + 4 * hop], waveform[at + hop : at + 5 * hop]) for at in voiced - 2 * hop if at >= 0]
    found = [a @ b / np.sqrt((a @ a) * (b @ b) + 1e-9) for a, b in pairs if len(a) == len(b)]
    return float(np.mean(found)) if found else float("nan")


def measure(voices: dict[str, Voice], clips: Sequence[Clip], learned: Sequence[Clip], listener: Listener) -> str:
    """A Markdown table: the voices, each speaking as one reader, and that reader's recordings of the same sentences."""
    held_out = held_out_of(Parts([*learned], [], [*clips]), AUDIO, SENTENCES)
    found = evaluate({name: system_of(voice) for name, voice in voices.items()}, held_out, listener=listener)
    columns = {
        name: {METRIC_DESCRIPTIONS[metric].title: str(estimate(table[metric])) for metric in SHOWN if metric in table}
        | {HUM: str(estimate([hum(waveform) for waveform in found.waveforms[name]]))}
        for name, table in found.values.items()
    }
    table = pandas.DataFrame({"reader": columns.pop(RECORDING)} | columns).fillna("")
    rows = [("", *table.columns), ("---",) * (len(table.columns) + 1), *table.itertuples()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def measure_all(voice: Voice, before: Voice) -> str:
    """The voice as each of its readers, and the voice of before as its only one, the first."""
    listener = Listener(load_trained(LISTENER), AUDIO)
    learned, _, test = load_clips(BASE)
    tables = []
    for number, reader in enumerate(BASE.readers):
        said, known = ([clip for clip in part if clip.speaker == reader][:SENTENCES] for part in (test, learned))
        voices = {"tiny-kmr": voice.speaking_as(reader)} | ({"before": before} if not number else {})
        tables.append(f"### {reader}\n\n{measure(voices, said, known, listener)}\n")
        print(tables[-1], flush=True)
    return "\n".join(tables)


def history() -> History:
    """All logged steps and validations of all stages, numbered consecutively."""
    whole = History()
    for name in BASE.stages:
        log, first = read_log(BASE.folder / name), len(whole.steps)
        whole.steps += [dataclasses.replace(report, step=first + report.step) for report in log.steps]
        whole.validations += [dataclasses.replace(found, step=first + found.step) for found in log.validations]
    return whole


def draw_curve(log: History) -> None:
    """Plot the mel loss in training and the mel distance of the validation sentences."""
    figure, (loss, held_out) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    mel = pandas.Series({report.step: report.terms["mel"] for report in log.steps}).rolling(50).mean()
    loss.plot(mel.index, mel, color="#0072B2")
    loss.set(title="Mel loss, mean of 50 steps", xlabel="step", ylim=(0, None))
    distances = pandas.Series({found.step: found.mel_distance for found in log.validations})
    held_out.plot(distances.index, distances, marker="o", color="#E69F00")
    held_out.set(title="Held-out sentences: mel distance", xlabel="step", ylim=(0, None))
    with atomic_path(TARGET / "curve.png") as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
    plt.close(figure)


def readme(tables: str, log: History, parameters: int) -> str:
    stages = "".join(
        f"- `{name}`: {len(read_log(BASE.folder / name).steps)} steps of {settings.batch_size} sentences, "
        f"{'without' if settings.adversarial_from else 'with'} a discriminator, rate {settings.learning_rate:g}\n"
        for name, settings in BASE.stages.items()
    )
    hours = sum(report.seconds for report in log.steps) / 3600
    return f"""---
language: kmr
license: cc0-1.0
library_name: transformers
pipeline_tag: text-to-speech
---
# tiny-kmr: the small base voice of the course

**A machine taught this voice.** It learned from sentences that voices of espeak-ng read, so at its best it
sounds like that machine. It exists so that the course runs everywhere: offline, without a graphics card, in minutes.
For a voice of your own use the full profile, which begins with MMS.

Same architecture, tokenizer and file form as `facebook/mms-tts-kmr-script_latin` (VITS, 16 kHz, one frame every 256
samples), but small: {parameters / 1e6:.2f} million parameters, stored in 16 bits. `discriminator.safetensors` is the
discriminator it was trained with.

## How it was trained

From nothing, by `recipes/train_tiny_base.py`, on {len(load_clips(BASE)[0])} clips of {len(BASE.readers)} readers. The
sentences are Common Voice's (`server/data/kmr/sentence-collector.txt`, 2021, CC0; 4 to 14 words, the 31 letters only),
none of them in the course's sample. On one to two processor cores, {hours:.1f} hours of steps:

{stages}
![curve](curve.png)

## How good it is

{SENTENCES} sentences of each reader that the voice never saw; intervals are of 95 %. The listener of the words is
another voice: other readers, another seed. A hum at the rate of the frames (62.5 Hz) shows in the last row.

{tables}
No person has judged this voice, and no recogniser was at hand. `samples/` holds three of the sentences, read by the
machine and by this voice.
"""


def write(voice: Voice, tables: str) -> None:
    """Write the voice, as its first reader, with its card and samples."""
    log, voice = history(), voice.speaking_as(next(iter(BASE.readers)))
    parameters = sum(parameter.numel() for parameter in voice.model.parameters())
    voice.card = {
        "name": "tiny-kmr",
        "licence": "CC0 1.0",
        "data": "Common Voice sentences (CC0), read by espeak-ng",
        "steps": len(log.steps),
        "parameters": parameters,
    }
    samples = {}
    for number, clip in enumerate(load_clips(BASE)[2][:SAMPLES], 1):
        samples[f"{number}-machine-reader.wav"] = decode(clip.path, AUDIO.sampling_rate)
        samples[f"{number}-tiny-kmr.wav"] = speak(voice, clip.text, level=False)
    for module in (voice.model, voice.discriminator):
        if module is not None:
            module.half()
    save_voice(voice, TARGET, readme(tables, log, parameters), samples)
    draw_curve(log)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    voice = load_trained(BASE)
    tables = measure_all(voice, load_voice(TARGET))
    if arguments.write:
        write(voice, tables)


if __name__ == "__main__":
    main()
