"""A tiny training in a process of its own, for `test_processes.py`, which kills it or starts two of them.

    training_process.py FOLDER RUN SETTINGS CHANCE

FOLDER holds `base` (a voice) and `data` (a prepared corpus), RUN is the training's folder in it, SETTINGS are JSON.
CHANCE is `random`, or `still`: then no process needs the other's random numbers.
"""

import json
import sys
from pathlib import Path

import torch
from two_processes import no_chance

from kurdtts_lib.corpus.clips import read_metadata
from kurdtts_lib.settings import AudioSettings, TrainingSettings
from kurdtts_lib.vits.training import Trainer
from kurdtts_lib.vits.voice import load_voice


def build(folder: Path, run: str, settings: dict) -> Trainer:
    """The last clip validates."""
    *training, validation = read_metadata(folder / "data")
    return Trainer(
        load_voice(folder / "base"),
        training,
        [validation],
        TrainingSettings(**settings),
        AudioSettings(),
        folder / run,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    trainer = build(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
    if sys.argv[4] == "still":
        no_chance()
    trainer.run()
    trainer.process.destroy_process_group()
