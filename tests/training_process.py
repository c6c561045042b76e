"""A tiny training in a process of its own, for `test_processes.py`, which kills it or starts two of them.

    training_process.py FOLDER RUN SETTINGS CHANCE [STEP FILES]

FOLDER holds `base` (a voice) and `data` (a prepared corpus), RUN is the training's folder in it, SETTINGS are JSON.
CHANCE is `random`, or `still`: then no process needs the other's random numbers. With STEP and FILES it ends as by
kill -9: after that step, when it opens, renames or deletes the so-manieth file.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from two_processes import no_chance

from kurdtts_lib.core.settings import AudioSettings, TrainingSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.evaluation.validation import validator
from kurdtts_lib.vits.log import StepReport
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import load_voice


def build(folder: Path, run: str, settings: dict) -> Trainer:
    """The last clip validates."""
    lines = (folder / "data" / "metadata.csv").read_text(encoding="utf-8").splitlines()
    *training, validation = (Clip(folder / "data" / file, text) for file, text in (line.split("|") for line in lines))
    return Trainer(
        load_voice(folder / "base"),
        training,
        validator([validation], AudioSettings(), 1),
        TrainingSettings(**settings),
        AudioSettings(),
        folder / run,
    )


def kill(step: int, files: int) -> Callable[[StepReport], None]:
    """What reports the steps to this kills the process."""
    left, armed = [files], [False]

    def watch(event: str, _: object) -> None:
        if armed[0] and event in ("open", "os.rename", "os.remove"):
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)

    def report(entry: StepReport) -> None:
        armed[0] |= entry.step == step

    sys.addaudithook(watch)
    return report


if __name__ == "__main__":
    torch.set_num_threads(1)
    trainer = build(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
    if sys.argv[4] == "still":
        no_chance()
    trainer.run(report=kill(*map(int, sys.argv[5:])) if sys.argv[5:] else None)
    trainer.process.destroy_process_group()
