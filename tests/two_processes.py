"""One process of `test_processes.py`, and the tiny training of `kills.py`, of the voice FOLDER/base on FOLDER/clips.

two_processes.py FOLDER                 two steps and a spoilt one; what they found goes to FOLDER
two_processes.py FOLDER RUN SETTINGS    a training; SETTINGS are JSON
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from tiny import AUDIO, SENTENCES
from torch import Tensor

from kurdtts_lib.core.settings import TrainingSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.evaluation.validation import validator
from kurdtts_lib.vits.batches import Batch, collate
from kurdtts_lib.vits.step import TrainingStep
from kurdtts_lib.vits.trainer import Trainer, this_process
from kurdtts_lib.vits.voice import load_voice

STEPS = 2
# A large eps keeps Adam's quotient from magnifying the rounding of gradients that are zero but for rounding.
SETTINGS = {"batch_size": 5, "segment_samples": 4096, "eps": 1e-2, "learning_rate": 1e-2}


def launch(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run this script in two processes that train together."""
    options = ("--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--main_process_port", "0")
    options += ("--mixed_precision", "no", "--dynamo_backend", "no")
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *options, __file__, *map(str, arguments)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=600,
    )


def no_chance(setting: Callable[[object, str, object], None] = setattr) -> None:
    """No noise, and every slice from the middle of its clip: no process then needs the other's random numbers."""
    setting(torch, "randn_like", torch.zeros_like)
    setting(torch, "randn", lambda *shape: torch.zeros(*shape))
    setting(torch, "rand", lambda *shape: torch.full(shape, 0.5))


def build(folder: Path, run: str, settings: dict, offset: float = 0.0) -> Trainer:
    """The last clip validates. offset: added to all weights of the decoder."""
    *training, validation = (Clip(folder / "clips" / f"{i}.wav", text) for i, (_, text) in enumerate(SENTENCES))
    voice, validate = load_voice(folder / "base"), validator([validation], AUDIO, 1)
    with torch.no_grad():
        for parameter in voice.model.decoder.parameters():
            parameter += offset
    return Trainer(voice, training, validate, TrainingSettings(**settings), AUDIO, folder / run)


def batch(trainer: Trainer, *indices: int) -> Batch:
    return collate([trainer.reader[index] for index in indices])


def weights(step: TrainingStep) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": value.detach().clone()
        for part in ("generator", "discriminator")
        for name, value in getattr(step, part).state_dict().items()
    }


def main(folder: Path) -> None:
    rank = this_process().process_index
    trainer = build(folder, "steps", SETTINGS, offset=rank)  # the second process must not keep its other weights
    step = trainer.state.training_step
    no_chance()
    # The first process has two micro-batches of one and two clips, the second one of two.
    own = [batch(trainer, *indices) for indices in [[(0,), (1, 2)], [(3, 4)]][rank]]
    outcomes = [step(own) for _ in range(STEPS)]
    trained = weights(step)
    if rank == 1:  # only here something is wrong
        own = [own[0]._replace(spectrograms=own[0].spectrograms * torch.nan)]
    found = {"outcomes": [outcome._asdict() for outcome in outcomes], "trained": trained}
    found |= {"processes": trainer.process.num_processes, "spoilt": step(own).skipped, "after": weights(step)}
    torch.save(found, folder / f"{rank}.pt")
    trainer.process.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[2:]:
        trainer = build(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
        no_chance()
        trainer.run()
        trainer.process.destroy_process_group()
    else:
        main(Path(sys.argv[1]))
