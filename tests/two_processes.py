"""One process of `test_processes.py`: trains a little in FOLDER, and writes down what it found."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from accelerate import PartialState
from tiny import AUDIO, STILL, TINY_CONFIG, TINY_DISCRIMINATOR
from torch import Tensor
from transformers import VitsConfig

from kurdtts_lib.core.settings import TrainingSettings
from kurdtts_lib.vits.batches import Batch, Example, collate
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.generator import TrainableVits
from kurdtts_lib.vits.initialisation import new_model
from kurdtts_lib.vits.mel import linear_spectrogram
from kurdtts_lib.vits.step import TrainingStep

SEGMENT = 4096
STEPS = 2
# A large eps keeps Adam's quotient from magnifying the rounding of gradients that are zero but for rounding.
SETTINGS = TrainingSettings(segment_samples=SEGMENT, learning_rate=1e-2, eps=1e-2)


def launch(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the script in two processes that train together."""
    options = ("--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--main_process_port", "0")
    options += ("--mixed_precision", "no", "--dynamo_backend", "no")
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *options, script, *map(str, arguments)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=600,
    )


def no_chance() -> None:
    """No noise, and every slice from the middle of its clip: no process then needs the other's random numbers."""
    torch.randn_like = torch.zeros_like
    torch.randn = lambda *shape: torch.zeros(*shape)
    torch.rand = lambda *shape: torch.full(shape, 0.5)


def new_step(seed: int, state: PartialState) -> TrainingStep:
    torch.manual_seed(seed)
    model = new_model(VitsConfig(vocab_size=20, **{**TINY_CONFIG, **STILL}))
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.normal_(0.0, 0.15)
    discriminator = VitsDiscriminator(TINY_DISCRIMINATOR)
    return TrainingStep(TrainableVits(model, AUDIO, SEGMENT), discriminator, SETTINGS, state)


def example(index: int) -> Example:
    """A clip of noise; no two of the same length or text."""
    numbers = torch.Generator().manual_seed(index)
    waveform = 0.1 * torch.empty((20 + 9 * index) * 256).normal_(generator=numbers)
    ids = torch.randint(20, (7 + 2 * index,), generator=numbers)
    return Example(ids, linear_spectrogram(waveform[None], AUDIO)[0], waveform)


def batch(*indices: int) -> Batch:
    return collate([example(index) for index in indices])


def weights(step: TrainingStep) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": value.detach().clone()
        for part in ("generator", "discriminator")
        for name, value in getattr(step, part).state_dict().items()
    }


def main(folder: Path) -> None:
    state = PartialState(cpu=True)
    rank = state.process_index
    step = new_step(seed=5 + rank, state=state)  # the second process begins with other weights, and must not keep them
    no_chance()
    # The first process has two micro-batches of one and two clips, the second one of two.
    own = [[batch(0), batch(1, 2)], [batch(3, 4)]][rank]
    outcomes = [step(own) for _ in range(STEPS)]
    trained = weights(step)
    if rank == 1:  # only here something is wrong
        own = [own[0]._replace(spectrograms=own[0].spectrograms * torch.nan)]
    spoilt = step(own)
    found = {
        "processes": state.num_processes,
        "outcomes": [outcome._asdict() for outcome in outcomes],
        "trained": trained,
        "spoilt": spoilt.skipped,
        "after": weights(step),
    }
    torch.save(found, folder / f"{rank}.pt")
    state.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
