"""Checkpoints: whole or not at all, however the writer ends, and never more than are asked for."""

import errno
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.vits.checkpoint import FORMAT, checkpoints, load_latest, save_step
from kurdtts_lib.vits.log import LOG

DAMAGES = {
    "empty": lambda whole: b"",
    "cut at the start": lambda whole: whole[:100],
    "cut at the end": lambda whole: whole[:-1],
    "text": lambda whole: b"this is not a checkpoint",
    "noise": lambda whole: np.random.default_rng(0).bytes(3000),
    "zeros in a weight": lambda whole: whole[: len(whole) // 2 - 200] + bytes(400) + whole[len(whole) // 2 + 200 :],
    "zeros in the first entry": lambda whole: whole[:80] + bytes(100) + whole[180:],
}


@pytest.mark.parametrize(
    "damage", [*DAMAGES.values(), {"format": 0, "step": 1}, [1, 2], {"format": FORMAT, "step": print}]
)
def test_a_damaged_or_foreign_checkpoint_is_an_error_that_names_it_and_says_what_to_do(tmp_path, damage):
    for step in (20, 40):
        save_step(tmp_path, step, {"step": step, "weight": torch.randn(5000)}, keep=2)
    first, newest = checkpoints(tmp_path)
    if callable(damage):
        whole = newest.read_bytes()
        newest.write_bytes(damage(whole))
        assert newest.read_bytes() != whole
    else:
        torch.save(damage, newest)  # one of another version, or one that would run code
    with pytest.raises(TrainingError, match=r"step-000040\.pt .*Delete it to go on from step-000020\.pt"):
        load_latest(tmp_path)
    newest.unlink()
    assert load_latest(tmp_path)["step"] == 20 and load_latest(tmp_path)["weight"].std() > 0.9
    first.write_bytes(b"")
    with pytest.raises(TrainingError, match=r"step-000020\.pt cannot be read: .*Delete it to start this training anew"):
        load_latest(tmp_path)


def test_only_the_newest_checkpoints_stay(tmp_path):
    for step in (20, 999_980, 1_000_000, 1_000_020):  # also where the names no longer sort by letters
        save_step(tmp_path, step, {"step": step}, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-1000000.pt", "step-1000020.pt"]
    assert load_latest(tmp_path)["step"] == 1_000_020
    assert load_latest(tmp_path / "empty") is None


def fill_the_disk(monkeypatch, free=1000):
    """Every file can be begun and none finished; torch reports it as it really does."""

    def save(state, path):
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")

    monkeypatch.setattr(torch, "save", save)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**12, 10**12 - free, free))


def test_a_full_disk_is_an_error_with_path_and_bytes_and_the_last_checkpoint_stays(tmp_path, monkeypatch):
    save_step(tmp_path, 20, {"step": 20}, keep=2)
    fill_the_disk(monkeypatch)
    with pytest.raises(TrainingError) as raised:
        save_step(tmp_path, 40, {"step": 40, "weight": torch.zeros(1_000_000)}, keep=2)
    message = str(raised.value)
    assert str(tmp_path / "checkpoints" / "step-000040.pt") in message
    assert "4.0 MB needed, 0.0 MB free" in message and "last checkpoint is whole" in message and "Make room" in message
    monkeypatch.undo()
    assert load_latest(tmp_path)["step"] == 20
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000020.pt"]


def test_a_training_on_a_full_disk_ends_with_that_error_and_goes_on_when_there_is_room(start, monkeypatch):
    trainer = start(checkpoint_every=1)
    with pytest.raises(TrainingError, match=r"step-000003\.pt could not be written .*MB free"):
        trainer.run(report=lambda entry: fill_the_disk(monkeypatch) if entry.step == 2 else None)
    monkeypatch.undo()
    resumed = start(checkpoint_every=1)
    assert resumed.step == 2 and resumed.run()


def test_a_log_on_a_full_disk_ends_the_training_with_that_error(start, monkeypatch):
    ordinary = Path.open

    def fill_the_disk(entry):
        def refuse(path, *arguments, **options):
            if path.name == LOG:
                raise OSError(errno.ENOSPC, "No space left on device")
            return ordinary(path, *arguments, **options)

        if entry.step == 3:
            monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(TrainingError, match=r"log\.jsonl could not be written .*No space.*whole\. Make room"):
        start(checkpoint_every=2).run(report=fill_the_disk)
    monkeypatch.undo()
    assert start(checkpoint_every=2).step == 2
