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


def fill_the_log(monkeypatch):
    ordinary = Path.open

    def refuse(path, *arguments, **options):
        if path.name == LOG:
            raise OSError(errno.ENOSPC, "No space left on device")
        return ordinary(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (fill_the_disk, r"run.checkpoints.step-000003\.pt could .*\(0\.0 MB free.*whole.*Make room"),
        (fill_the_log, r"log\.jsonl could not be written .*No space.*whole\. Make room"),
    ],
)
def test_a_training_on_a_full_disk_ends_with_that_error_and_goes_on_when_there_is_room(
    start, monkeypatch, fill, message
):
    ended = start(checkpoint_every=1)
    with pytest.raises(TrainingError, match=message):
        ended.run(report=lambda entry: fill(monkeypatch) if entry.step == 2 else None)
    monkeypatch.undo()
    with pytest.raises(TrainingError, match="Build it anew"):
        ended.run()
    resumed = start(checkpoint_every=1)
    names = [path.name for path in (resumed.folder / "checkpoints").iterdir()]
    assert resumed.step == 2 and sorted(names) == ["step-000001.pt", "step-000002.pt"], "nothing half-written"
    assert resumed.run()
    steps = [entry.step for entry in start(checkpoint_every=1).history.steps]
    assert steps == [1, 2, 3, 4], "the log holds each step once, also the one that was done twice"
