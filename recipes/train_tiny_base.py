"""Train `models/tiny-kmr`, the small base voice of the course, from scratch.

    python recipes/train_tiny_base.py read  --sentences sentences.txt
    python recipes/train_tiny_base.py train --minutes 90
    python recipes/train_tiny_base.py read  --sentences sentences.txt --voice listener
    python recipes/train_tiny_base.py train --minutes 60              --voice listener
    python recipes/publish_tiny_base.py

The sentences are Mozilla Common Voice's `server/data/kmr/sentence-collector.txt` (2021, CC0), those with 4 to 14 words,
written with the 31 letters only. `read` synthesises them (one a line) with espeak-ng, and `train` trains; run it again
to resume. The last command measures the voice and writes `models/tiny-kmr`.
All intermediate files are stored in `runs/tiny-base` and `runs/tiny-listener`.

The listener is a second voice, of other readers and another seed, and is not published: the words of the base voice are
measured by it, because no voice may judge itself. It never has to sound well, so its decoder is as small as can be.

`models/tiny-kmr` is of an earlier form of this recipe: one reader (94 Hz), a decoder of 64 channels, 2,000 adversarial
steps. It hums at 62.5 Hz, the rate of its frames, and so do all four readers here after 2,500 steps of `sounds`
(autocorrelation at a lag of one frame 0.84 to 0.89, the readers' -0.07 to 0.04; 3.4 to 3.9 dB MCD), although the
decoder is wider and the STFT loss tells the harmonics apart. 1,200 adversarial steps of a decoder with kernels of 11
did not change that, nor did the true phase of the pitch as an input of a decoder (600 steps without discriminator).
`crispness` has not yet run to its end.
"""

import argparse
import dataclasses
import hashlib
import io
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import soundfile
import soxr
import torch
from new_voice import new_model, new_tokenizer
from transformers import VitsConfig

from kurdtts_lib.audio.features import trim
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.files import atomic_path
from kurdtts_lib.core.settings import REPOSITORY, AudioSettings
from kurdtts_lib.core.training_settings import LossWeights, TrainingSettings
from kurdtts_lib.data.dataset import Clip, Parts, write_metadata
from kurdtts_lib.evaluation.validation import validator
from kurdtts_lib.text import normalize
from kurdtts_lib.vits.checkpoint import checkpoints
from kurdtts_lib.vits.discriminator import DiscriminatorSettings, VitsDiscriminator
from kurdtts_lib.vits.log import Event, StepReport
from kurdtts_lib.vits.speakers import add_speakers
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice

AUDIO = AudioSettings()
EMBEDDING_SIZE = 64
HELD_OUT = 100
VALIDATION = 8

# A third of MMS's size in every dimension: it must train in two hours on two cores.
CONFIG: dict[str, Any] = {
    "hidden_size": 96,
    "flow_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "ffn_dim": 256,
    "hidden_dropout": 0.05,
    "attention_dropout": 0.05,
    "activation_dropout": 0.05,
    "layerdrop": 0.0,
    "wavenet_kernel_size": 3,
    "posterior_encoder_num_wavenet_layers": 6,
    "prior_encoder_num_wavenet_layers": 4,
    "upsample_initial_channel": 128,
    "resblock_kernel_sizes": [3, 7],
    "resblock_dilation_sizes": [[1, 3], [1, 3]],
    "upsample_rates": [8, 8, 4],
    "upsample_kernel_sizes": [16, 16, 8],
    "use_stochastic_duration_prediction": False,
    "duration_predictor_filter_channels": 128,
    "spectrogram_bins": AUDIO.n_fft // 2 + 1,
    "sampling_rate": AUDIO.sampling_rate,
    "noise_scale": 0.3,  # a machine has one reading of each sentence; more noise only blurs
    # Inference rounds each position's frames up, half a frame too many on average. 1.2 restores the reader's speaking
    # rate, as measured on the validation sentences.
    "speaking_rate": 1.2,
}
DISCRIMINATOR = DiscriminatorSettings(
    scale_channels=(16, 32, 64, 128, 128, 128),
    scale_groups=(1, 4, 8, 16, 16, 1),
    period_channels=(16, 32, 64, 128, 128),
)

SHARED = TrainingSettings(
    batch_size=8, segment_samples=8192, validate_every=500, validation_clips=2 * VALIDATION, checkpoint_every=250
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a voice learns from, and how."""

    folder: Path
    readers: dict[str, list[str]]
    """Voices of espeak-ng, none of them one of the sample's speakers."""
    seed: int
    stages: dict[str, TrainingSettings]
    conditioned: bool = True
    """It knows its readers apart. The listener does not: whom it has to judge it does not know either."""
    config: dict[str, Any] = dataclasses.field(default_factory=dict)


BASE = Plan(
    REPOSITORY / "runs" / "tiny-base",
    {
        "man-94-hz": ["-v", "ku", "-p", "42"],
        "man-135-hz": ["-v", "ku+m3", "-p", "80"],
        "woman-180-hz": ["-v", "ku+f1"],
        "woman-212-hz": ["-v", "ku+f2", "-p", "58"],
    },
    seed=20,
    # First the mel loss without a discriminator, then adversarial training for crisp audio.
    stages={
        "sounds": dataclasses.replace(
            SHARED,
            steps=5000,
            learning_rate=5e-4,
            lr_decay=0.9,
            adversarial_from=10**9,
            weights=LossWeights(mel=45, stft=15, kl=1),
        ),
        "crispness": dataclasses.replace(
            SHARED,
            steps=20000,
            batch_size=4,
            learning_rate=4e-4,
            discriminator_learning_rate=2e-4,  # at the generator's learning rate it wins
            lr_decay=0.9,
            frozen=("text_encoder", "posterior_encoder", "flow", "duration_predictor"),
            weights=LossWeights(mel=45, stft=5, feature_matching=2),
        ),
    },
)
LISTENER = Plan(
    REPOSITORY / "runs" / "tiny-listener",
    {name: ["-v", f"ku+{name}"] for name in ("m4", "Diogo", "f4", "Annie")},
    seed=41,
    stages={
        "sounds": dataclasses.replace(
            SHARED,
            steps=2500,
            segment_samples=2048,
            learning_rate=5e-4,
            lr_decay=0.9,
            adversarial_from=10**9,
            weights=LossWeights(mel=45, kl=1),
        )
    },
    conditioned=False,
    config={"upsample_initial_channel": 32, "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3]]},
)
PLANS = {"base": BASE, "listener": LISTENER}


def read_sentences(plan: Plan, source: Path) -> None:
    """Synthesise every sentence of `source` with espeak-ng; write `wavs/` and `metadata.csv` as `file|text`."""
    if not shutil.which("espeak-ng"):
        raise KurdTTSError("espeak-ng is not installed. On Debian or Ubuntu: sudo apt install espeak-ng")
    texts = dict.fromkeys(normalize(line).text for line in source.read_text(encoding="utf-8").splitlines())
    rows, left_out = [], 0
    for text in filter(None, texts):
        digest = hashlib.sha256(text.encode()).hexdigest()
        chosen = random.Random(digest).sample([*plan.readers], 2)
        for reader in chosen:
            name = f"wavs/{digest[:16]}-{reader}.wav"
            seconds = _read_aloud(text, plan.readers[reader], plan.folder / name)
            if 1.0 <= seconds <= 8.0:
                rows.append((name, text))
            else:
                left_out += 1
    write_metadata(plan.folder / "metadata.csv", sorted(rows))
    print(f"{len(rows)} clips read; {left_out} left out as shorter than 1 s or longer than 8 s")


def _read_aloud(text: str, options: list[str], target: Path) -> float:
    """Write one sentence as a trimmed WAV; returns its seconds. Without marks, as the model's input is."""
    command = ["espeak-ng", *options, "-s", "160", "--stdout", text]
    spoken = subprocess.run(command, check=True, capture_output=True).stdout
    waveform, rate = soundfile.read(io.BytesIO(spoken), dtype="float32")
    waveform = trim(soxr.resample(waveform, rate, AUDIO.sampling_rate))
    waveform *= 0.6 / abs(waveform).max()
    with atomic_path(target) as temporary:
        soundfile.write(temporary, waveform, AUDIO.sampling_rate, subtype="PCM_16")
    return len(waveform) / AUDIO.sampling_rate


def load_clips(plan: Plan) -> Parts:
    """Training, validation and test clips, no sentence in two of them.

    File names begin with the sentences' hashes, so their order is random but fixed.
    """
    lines = (plan.folder / "metadata.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|") for line in lines]
    clips = [Clip(plan.folder / file, text, speaker=Path(file).stem.split("-", 1)[1]) for file, text in rows]
    sentences = [*dict.fromkeys(clip.text for clip in clips)]
    test, validation = set(sentences[:HELD_OUT]), set(sentences[HELD_OUT : HELD_OUT + VALIDATION])
    training = [clip for clip in clips if clip.text not in test | validation]
    return Parts(training, *([clip for clip in clips if clip.text in part] for part in (validation, test)))


def make_voice(plan: Plan) -> Voice:
    """The untrained voice, with the same weights at every call."""
    torch.manual_seed(plan.seed)
    tokenizer = new_tokenizer(plan.folder)
    model = new_model(VitsConfig(vocab_size=len(tokenizer), **CONFIG | plan.config))
    if plan.conditioned:
        model = add_speakers(model, [*plan.readers], EMBEDDING_SIZE)
    return Voice(model, tokenizer, VitsDiscriminator(DISCRIMINATOR))


def trainer(plan: Plan, stage: str, voice: Voice) -> Trainer:
    """Of that stage; the voice gets the weights of its last checkpoint, where there is one."""
    training, validation, _ = load_clips(plan)
    settings = plan.stages[stage]
    judge = validator(validation, AUDIO, settings.validation_clips)
    return Trainer(voice, training, judge, settings, AUDIO, plan.folder / stage)


def train(plan: Plan, minutes: float) -> None:
    """Run the stages one after the other, for at most `minutes`; the next call resumes an interrupted stage."""
    stop = threading.Event()
    timer = threading.Timer(minutes * 60, stop.set)
    timer.daemon = True
    timer.start()
    voice = make_voice(plan)
    for name, settings in plan.stages.items():
        at_work = trainer(plan, name, voice)
        print(f"stage {name}: from step {at_work.step} to {settings.steps}", flush=True)
        if not at_work.run(stop, _print_report, _print_event):
            return


def load_trained(plan: Plan) -> Voice:
    """The voice of the last stage that holds a checkpoint."""
    voice = make_voice(plan)
    for name in plan.stages:
        if checkpoints(plan.folder / name):
            trainer(plan, name, voice)
    return voice


def _print_report(entry: StepReport) -> None:
    if entry.step % 50 == 0:
        terms = " ".join(f"{name} {value:.3f}" for name, value in entry.terms.items())
        print(f"step {entry.step} epoch {entry.epoch} {entry.seconds:.2f} s  {terms}", flush=True)


def _print_event(event: Event) -> None:
    print(f"step {event.step} {event.kind}: {event.text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("read", "train"))
    parser.add_argument("--voice", choices=PLANS, default="base")
    parser.add_argument("--sentences", type=Path, help="for `read`: a file with one sentence a line")
    parser.add_argument("--minutes", type=float, default=150, help="for `train`; the next call goes on")
    arguments = parser.parse_args()
    plan = PLANS[arguments.voice]
    try:
        if arguments.command == "read":
            read_sentences(plan, arguments.sentences)
        else:
            train(plan, arguments.minutes)
    except KurdTTSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
