"""Does a voice learn more from many speakers than from its own three minutes? Ways to train on a crowd, compared.

    python benchmarks/speakers.py --sentences sentences.txt --arms base,a,b,c,d --seeds 1 --folder runs/speakers

Needs the program espeak-ng, whose voices are all the speakers: no figure here is of human speech. Eight record with
rooms and noises of their own, the target 3 minutes, the others 5 to 10. All arms train for the same number of steps:

- `base`: the base voice as it is
- `a`: the target alone
- `b`: all speakers in a voice of one speaker
- `c`: a voice conditioned on its speakers, balanced, of which the target is folded into a voice of one speaker
- `d`: as `c` for three quarters of the steps, then the target alone

The held-out sentences are the bundled ones. `results.csv` in the folder has a row for each arm, seed, reference
(the target's clean or noisy recordings) and metric; `values/` has the sentences. An arm that was stopped goes on.
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import acoustics
import numpy as np
import pandas
import torch
from clean_speech import Reader, exact, read_aloud
from crowd import Conditions, record

from kurdtts_lib.audio.io import write_wav
from kurdtts_lib.audio.levels import gain, loudness
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.files import read_text, write_text
from kurdtts_lib.core.settings import REPOSITORY, AudioSettings, load_profile
from kurdtts_lib.core.training_settings import TrainingSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.evaluation.confidence import estimate
from kurdtts_lib.evaluation.evaluate import RECORDING, evaluate, system_of
from kurdtts_lib.evaluation.held_out import HeldOut, LikenessBaselines
from kurdtts_lib.evaluation.metrics import Reference, load
from kurdtts_lib.evaluation.words import Listener, bundled_sentences
from kurdtts_lib.text import normalize
from kurdtts_lib.vits.log import StepReport
from kurdtts_lib.vits.speakers import add_speakers
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice, load_voice

AUDIO = AudioSettings()
RATE = AUDIO.sampling_rate
TARGET = "belinda"
"""A woman, whom no base voice has learned; nor have they the others."""
READERS = [
    Reader(name, "", ["-v", f"ku+{name}", "-p", str(pitch), "-s", str(speed)])
    for name, pitch, speed in (
        (TARGET, 50, 165), ("m2", 75, 170), ("steph", 40, 160), ("edward", 35, 155), ("Alicia", 60, 165),
        ("linda", 50, 150), ("Marco", 50, 175), ("anika", 45, 160),
    )
]  # fmt: skip
MINUTES = (3.0, 5.0, 5.8, 6.7, 7.5, 8.3, 9.2, 10.0)
EDGE_S = 0.05
"""Kept around the speech, as preparation does where it finds the edges."""
SHOWN = ("mel_cepstral_distance", "speaker_distance", "words_margin", "words_first", "pitch")


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Clips of 16 kHz."""

    training: list[Clip]
    noisy_test: list[Clip]
    clean_test: list[Clip]
    clean_training: list[Clip]
    """The target's training clips without room and noise."""

    @property
    def target(self) -> list[Clip]:
        return [clip for clip in self.training if clip.speaker == TARGET]


# --- the recordings


def make_corpus(sentences: Sequence[str], folder: Path) -> Corpus:
    """Read and record everything, or find it in `folder`, where it was written before."""
    table = folder / "clips.csv"
    if not table.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        rows = [row for number in range(len(READERS)) for row in _record_speaker(number, sentences, folder)]
        write_text(table, pandas.DataFrame(rows).to_csv(index=False))
    found: dict[str, list[Clip]] = {field.name: [] for field in dataclasses.fields(Corpus)}
    for row in pandas.read_csv(table).to_dict("records"):
        found[row["part"]].append(Clip(folder / row["file"], row["text"], speaker=row["speaker"]))
    return Corpus(**found)


def _record_speaker(number: int, sentences: Sequence[str], folder: Path) -> Iterator[dict[str, str]]:
    reader, draw = READERS[number], np.random.default_rng([18, number])
    conditions = Conditions(
        acoustics.impulse_response(draw.uniform(0.2, 0.5), RATE, draw),
        acoustics.NOISES[number % len(acoustics.NOISES)],
        draw.uniform(15, 30),
    )
    voices = [read_aloud(sentences[k], other.options, RATE) for k, other in enumerate(READERS) if other != reader]
    left = MINUTES[number] * 60
    for place in draw.permutation(len(sentences)):
        if left <= 0:
            break
        speech = exact(read_aloud(sentences[place], reader.options, RATE))
        left -= len(speech) / RATE
        parts = {"training": conditions} | ({"clean_training": None} if reader.name == TARGET else {})
        for part, how in parts.items():
            yield _write(folder / f"{part}-{reader.name}-{place:04d}.wav", speech, sentences[place], how, draw, voices)
    if left > 0:
        raise KurdTTSError(f"{reader.name} has read all {len(sentences)} sentences, {left:.0f} s too few. Give more.")
    for place, text in enumerate(bundled_sentences() if reader.name == TARGET else ()):
        speech = exact(read_aloud(text, reader.options, RATE))
        for part, how in (("noisy_test", conditions), ("clean_test", None)):
            yield _write(folder / f"{part}-{reader.name}-{place:04d}.wav", speech, text, how, draw, voices)


def _write(
    path: Path,
    speech: np.ndarray,
    text: str,
    conditions: Conditions | None,
    draw: np.random.Generator,
    voices: Sequence[np.ndarray],
) -> dict[str, str]:
    """A row of `clips.csv`; the recording is as loud as preparation makes it. conditions: None: clean."""
    made = record(speech, conditions or Conditions(None, None, 0), draw, voices, rate=RATE)
    edge = round(EDGE_S * RATE)
    waveform = made.waveform[made.start - edge : made.end + edge]
    write_wav(path, waveform * np.float32(gain(waveform, loudness(waveform, RATE))), RATE, durable=False)
    part, speaker, _ = path.stem.split("-")
    return {"file": path.name, "text": text, "speaker": speaker, "part": part}


def balanced(clips: Sequence[Clip]) -> list[Clip]:
    """Each speaker about as often as the one with the most clips: the others' are repeated."""
    counts = pandas.Series([clip.speaker for clip in clips]).value_counts()
    return [clip for clip in clips for _ in range(round(counts.max() / counts[clip.speaker]))]


# --- the arms


def train(voice: Voice, clips: Sequence[Clip], settings: TrainingSettings, folder: Path) -> Voice:
    """The voice after the last step; what `folder` has of it is not repeated."""

    def report(entry: StepReport) -> None:
        if entry.step % 20 == 0 or entry.step == settings.steps:
            print(f"{folder.name} step {entry.step}: mel {entry.terms['mel']:.3f}, {entry.seconds:.2f} s", flush=True)

    trainer = Trainer(voice, clips, None, settings, AUDIO, folder)
    trainer.run(report=report)
    voice.model.eval()
    return voice


def train_arm(arm: str, corpus: Corpus, base: Voice, settings: TrainingSettings, folder: Path) -> Voice:
    """A voice with one speaker. Changes `base`."""
    if arm == "base":
        return base
    if arm in ("a", "b"):
        return train(base, corpus.target if arm == "a" else corpus.training, settings, folder)
    torch.manual_seed(settings.seed)
    base.model = add_speakers(base.model, [reader.name for reader in READERS])
    first = settings.steps if arm == "c" else settings.steps * 3 // 4
    several = dataclasses.replace(settings, steps=first)
    voice = train(base, balanced(corpus.training), several, folder / "conditioned").speaking_as(TARGET)
    if arm == "c":
        return voice
    return train(voice, corpus.target, dataclasses.replace(settings, steps=settings.steps - first), folder / "target")


def measure(voice: Voice, corpus: Corpus, listener: Listener) -> Iterator[tuple[str, str, pandas.DataFrame]]:
    """(reference, what was measured, metrics of each sentence): the voice and, for comparison, the recordings."""
    for reference, test, own in (
        ("clean", corpus.clean_test, corpus.clean_training),
        ("noisy", corpus.noisy_test, corpus.target),
    ):
        texts = [clip.text for clip in test]
        recordings = Reference(load(test, AUDIO), load(own, AUDIO), AUDIO)
        held_out = HeldOut(texts, len(texts), recordings, LikenessBaselines(0, None), "crowd", True, texts)
        for name, table in evaluate({"voice": system_of(voice)}, held_out, listener=listener).values.items():
            yield reference, name, table


def rows_of(key: dict, measured: Iterator[tuple[str, str, pandas.DataFrame]], folder: Path) -> list[dict]:
    """Rows of `results.csv`, of a voice; the sentences go to `values/`, those of the recordings, too."""
    rows = []
    for reference, name, table in measured:
        arm = RECORDING if name == RECORDING else key["arm"]
        write_text(folder / "values" / f"{arm}-{key['seed']}-{reference}.csv", table.to_csv(index=False))
        if arm == RECORDING and key["arm"] != "base":
            continue
        for metric in table:
            found = dataclasses.asdict(estimate(table[metric]))
            rows.append(key | {"arm": arm, "reference": reference, "metric": metric} | found)
    return rows


def summary(results: pandas.DataFrame, folder: Path) -> str:
    """The results, and the paired differences of each arm to the target alone (`a`), as Markdown."""
    lines = [f"| arm | seed | reference | {' | '.join(SHOWN)} |", "|" + "---|" * (3 + len(SHOWN))]
    for arm, seed, reference in dict.fromkeys(zip(results["arm"], results["seed"], results["reference"], strict=True)):
        own, first = (folder / "values" / f"{name}-{seed}-{reference}.csv" for name in (arm, "a"))
        table = pandas.read_csv(own)
        lines.append(_line(f"{arm} | {seed} | {reference}", table))
        if first.is_file() and arm in ("b", "c", "d"):
            lines.append(_line(f"{arm} - a | {seed} | {reference}", table - pandas.read_csv(first)))
    return "\n".join(lines)


def _line(name: str, table: pandas.DataFrame) -> str:
    return f"| {name} | " + " | ".join(str(estimate(table[m])) if m in table else "" for m in SHOWN) + " |"


def run(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.folder
    known = {*bundled_sentences()}
    lines = (normalize(line).text for line in read_text(arguments.sentences).splitlines())
    corpus = make_corpus([text for text in dict.fromkeys(lines) if text and text not in known], folder / "clips")
    results = pandas.read_csv(folder / "results.csv") if (folder / "results.csv").is_file() else pandas.DataFrame()
    listener = Listener(plain(arguments.base), AUDIO)
    for arm, seed in ((arm, seed) for seed in arguments.seeds for arm in arguments.arms.split(",")):
        key = {"arm": arm, "seed": seed, "steps": arguments.steps, "base": arguments.base.name}
        if len(results) and (results[[*key]] == pandas.Series(key)).all(axis=1).any():
            continue
        started = time.perf_counter()
        settings = dataclasses.replace(
            load_profile("sample").training, steps=arguments.steps, seed=seed, checkpoint_every=50
        )
        voice = train_arm(arm, corpus, plain(arguments.base), settings, folder / f"{arm}-{seed}-{arguments.steps}")
        rows = rows_of(key, measure(voice, corpus, listener), folder)
        results = pandas.concat([results, pandas.DataFrame(rows)])
        write_text(folder / "results.csv", results.to_csv(index=False))
        print(f"arm {arm}, seed {seed}: {(time.perf_counter() - started) / 60:.1f} minutes", flush=True)
    print(summary(results, folder))


def plain(base: Path) -> Voice:
    """The base as a voice with one speaker: equal parts of those that it has."""
    voice = load_voice(base)
    return voice.speaking_as(*voice.speakers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=Path, required=True, help="one a line; 230 at least")
    parser.add_argument("--arms", default="base,a,b,c,d")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--base", type=Path, default=REPOSITORY / "models" / "tiny-kmr")
    parser.add_argument("--folder", type=Path, required=True)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
