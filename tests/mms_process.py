"""One process of `test_mms.py`: begins three trainings of MMS voices without a trainer, and writes down what it got."""

import dataclasses
import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import original_vits as original
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from tiny import TINY_DISCRIMINATOR

from kurdtts_lib.core.settings import load_profile
from kurdtts_lib.vits import conversion, mms
from kurdtts_lib.vits.trainer import this_process
from kurdtts_lib.voices import finetune

asked: list[str] = []


def download(repository: str, name: str, *, local_dir: Path) -> str:
    asked.append(name.split("/")[1])
    if "offline" in name:
        raise LocalEntryNotFoundError("no network")
    path = Path(local_dir) / name
    path.parent.mkdir(parents=True)
    torch.save(
        {
            "model": original.make_discriminator_weights(*dataclasses.asdict(TINY_DISCRIMINATOR).values()),
            "iteration": 1,
        },
        path,
    )
    return str(path)


def begin(code: str) -> Any:
    """What `prepare_training` gives to the trainer."""
    base = SimpleNamespace(discriminator=None)
    finetune.load_voice = lambda source: base
    profile = dataclasses.replace(load_profile("sample"), base_voice=f"facebook/mms-tts-{code}")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        finetune.prepare_training(profile)
    weights = base.discriminator and sum(float(p.detach().sum()) for p in base.discriminator.parameters())
    return [weights, *(str(warning.message) for warning in said if "MMS's discriminator" in str(warning.message))]


if __name__ == "__main__":
    process = this_process()
    conversion.PUBLISHED_DISCRIMINATOR = TINY_DISCRIMINATOR
    mms.hf_hub_download = download
    finetune.clips_of = lambda profile: SimpleNamespace(train=[], validation=[])
    finetune.Trainer = lambda voice, *rest: voice
    found = {code: begin(code) for code in ("there", "offline")}
    if not process.is_main_process:
        conversion.PUBLISHED_DISCRIMINATOR = dataclasses.replace(TINY_DISCRIMINATOR, scale_channels=(4, 8, 8, 8, 8, 4))
    found["unreadable"] = begin("unreadable")
    answer = json.dumps({"asked": asked, "found": found})
    (Path(sys.argv[1]) / f"{process.process_index}.json").write_text(answer, encoding="utf-8")
    process.destroy_process_group()
