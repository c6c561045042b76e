"""Checkpoints: whole or not at all, however the writer ends, and never more than are asked for."""

import os
import random
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.vits.checkpoint import (
    FORMAT,
    bytes_of,
    checkpoints,
    delete_partial_files,
    load_checkpoint,
    load_latest,
    random_state,
    restore_random_state,
    save_checkpoint,
    save_step,
)
from kurdtts_lib.vits.log import LOG


def damaged_versions(whole: bytes) -> dict[str, bytes]:
    middle = len(whole) // 2
    return {
        "empty": b"",
        "cut at the start": whole[:100],
        "cut in the middle": whole[:middle],
        "cut at the end": whole[:-1],
        "zeros": bytes(len(whole)),
        "text": b"this is not a checkpoint",
        "noise": np.random.default_rng(0).bytes(3000),
        "zeros in a weight": whole[: middle - 200] + bytes(400) + whole[middle + 200 :],
        "zeros at the start": bytes(2000) + whole[2000:],
        "zeros in the first entry": whole[:80] + bytes(100) + whole[180:],
    }


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 7, "weight": torch.randn(5000), "random": random_state()})
    return path


def test_a_checkpoint_comes_back_as_it_was_saved(checkpoint):
    state = load_checkpoint(checkpoint, "Delete it.")
    assert state["step"] == 7
    assert state["weight"].std() > 0.9


@pytest.mark.parametrize("damage", list(damaged_versions(b"")))
def test_a_damaged_checkpoint_is_an_error_that_names_it_and_says_what_to_do(checkpoint, damage):
    whole = checkpoint.read_bytes()
    damaged = damaged_versions(whole)[damage]
    assert damaged != whole
    checkpoint.write_bytes(damaged)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt .*Delete it"):
        load_checkpoint(checkpoint, "Delete it.")


@pytest.mark.parametrize("content", [{"format": 0, "step": 1}, [1, 2], {"step": 1}])
def test_a_checkpoint_of_another_version_is_an_error(checkpoint, content):
    torch.save(content, checkpoint)
    with pytest.raises(TrainingError, match="not a checkpoint of this version"):
        load_checkpoint(checkpoint, "Delete it.")


def test_a_checkpoint_that_would_run_code_is_refused(checkpoint):
    torch.save({"format": FORMAT, "step": print}, checkpoint)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt"):
        load_checkpoint(checkpoint, "Delete it.")


def test_random_states_come_back_exactly():
    def draw():
        return torch.rand(3).tolist(), np.random.normal(size=3).tolist(), random.random(), random.gauss(0, 1)

    draw()
    state = random_state()
    first = draw()
    assert draw() != first
    restore_random_state(state)
    assert draw() == first


def test_only_the_newest_checkpoints_stay(tmp_path):
    for step in (20, 999_980, 1_000_000, 1_000_020):  # also where the names no longer sort by letters
        save_step(tmp_path, step, {"step": step}, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-1000000.pt", "step-1000020.pt"]
    assert load_latest(tmp_path)["step"] == 1_000_020
    assert load_latest(tmp_path / "empty") is None


def test_a_damaged_newest_checkpoint_is_named_with_the_one_that_deleting_it_goes_back_to(tmp_path):
    for step in (20, 40):
        save_step(tmp_path, step, {"step": step}, keep=2)
    newest = checkpoints(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.raises(
        TrainingError, match=r"step-000040\.pt cannot be read: .*Delete it to go on from step-000020\.pt"
    ):
        load_latest(tmp_path)
    newest.unlink()
    assert load_latest(tmp_path)["step"] == 20
    checkpoints(tmp_path)[0].write_bytes(b"")
    with pytest.raises(TrainingError, match=r"step-000020\.pt cannot be read: .*Delete it to start this training anew"):
        load_latest(tmp_path)


def test_what_a_killed_writer_left_is_deleted_and_nothing_else(tmp_path):
    save_step(tmp_path, 40, {"step": 40}, keep=2)
    save_checkpoint(tmp_path / "best.pt", {"step": 40})
    kept = sorted(tmp_path.rglob("*.pt"))
    (tmp_path / "checkpoints" / ".step-000060-0123456789ab.pt").write_bytes(b"half")
    (tmp_path / ".best-0123456789ab.pt").write_bytes(b"half")
    delete_partial_files(tmp_path)
    assert sorted(tmp_path.rglob("*.pt")) == kept


def test_bytes_of_counts_all_tensors():
    assert (
        bytes_of({"a": torch.zeros(10), "b": [torch.zeros(3, dtype=torch.int64), "text", {"c": torch.ones(1)}]}) == 68
    )


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


class Filling:
    """A file, and the moment at which its disk is full."""

    full = threading.Event()

    def __init__(self, file, whole_lines_refused):
        self.file, self.whole_lines_refused = file, whole_lines_refused

    def write(self, data):
        if not self.full.is_set():
            return self.file.write(data)
        if self.whole_lines_refused:
            raise OSError(28, "No space left on device")
        return len(data) - 1

    def close(self):
        self.file.close()


@pytest.mark.parametrize("whole_lines_refused", [True, False])
def test_a_log_on_a_full_disk_ends_the_training_with_that_error(start, monkeypatch, whole_lines_refused):
    ordinary = Path.open

    def open_file(path, mode="r", *arguments, **options):
        file = ordinary(path, mode, *arguments, **options)
        return Filling(file, whole_lines_refused) if (path.name, mode) == (LOG, "ab") else file

    monkeypatch.setattr(Filling, "full", threading.Event())
    monkeypatch.setattr(Path, "open", open_file)
    with pytest.raises(TrainingError, match=r"log\.jsonl could not be written .*whole\. Make room"):
        start(checkpoint_every=2).run(report=lambda entry: Filling.full.set() if entry.step == 3 else None)
    monkeypatch.undo()
    assert start(checkpoint_every=2).step == 2


WRITER = """
import sys
from pathlib import Path
import torch
from kurdtts_lib.vits.checkpoint import save_step
print("begun", flush=True)
step = int(input())
while True:
    step += 1
    save_step(Path(sys.argv[1]), step, {"step": step, "weight": torch.full((300_000,), float(step))}, keep=2)
"""


@pytest.mark.slow
def test_killed_at_any_moment_of_writing_the_newest_checkpoint_is_whole(tmp_path):
    """Twenty-five writers, each killed at another moment; Popen.kill is kill -9, on Windows TerminateProcess."""
    moments, last = random.Random(1), 0
    for _ in range(5):  # five at once load torch, which takes seconds, and then wait for their turn
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(tmp_path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            )
            for _ in range(5)
        ]  # fmt: skip
        for writer in writers:
            assert writer.stdout.readline() == "begun\n"
        for writer in writers:
            writer.stdin.write(f"{last}\n")
            writer.stdin.flush()
            while not (tmp_path / "checkpoints" / f"step-{last + 1:06d}.pt").exists() and writer.poll() is None:
                time.sleep(0.001)
            time.sleep(moments.uniform(0.0, 0.2))
            writer.kill()
            writer.communicate()
            state = load_latest(tmp_path)
            assert state["step"] > last and torch.all(state["weight"] == state["step"])
            last = state["step"]
            delete_partial_files(tmp_path)
            assert len(checkpoints(tmp_path)) <= 3


KILLED_BEFORE = """
import os, sys
from pathlib import Path
import torch
from kurdtts_lib.vits.checkpoint import save_step

CALLS = ("open", "write_record", "write_end_of_file", "fsync", "replace", "unlink")

def save(folder, step):
    save_step(folder, step, {"step": step, "weights": [torch.full((1000,), float(step))] * 3}, keep=2)

def killed(folder, call):
    if child := os.fork():
        return os.waitpid(child, 0)[1] != 0
    left = [call]

    def watch(frame, event, called):
        if event == "c_call" and called.__name__ in CALLS:
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)  # as kill -9: nothing is closed, nothing tidied up

    sys.setprofile(watch)
    save(folder, 4)
    os._exit(0)

for call in range(1, 1000):
    folder = Path(sys.argv[1], f"{call:03d}")
    for step in (1, 2, 3):
        save(folder, step)
    if not killed(folder, call):
        break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: a new process for each call would take minutes")
def test_killed_before_each_call_of_writing_the_newest_checkpoint_is_whole(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED_BEFORE, str(tmp_path)], check=True)
    found, halves = [], 0
    for folder in sorted(tmp_path.iterdir()):
        state = load_latest(folder)
        assert all(torch.all(weight == state["step"]) for weight in state["weights"])
        found.append((state["step"], len(checkpoints(folder))))
        halves += len(list((folder / "checkpoints").glob(".*")))
        delete_partial_files(folder)
        assert not list((folder / "checkpoints").glob(".*")) and load_latest(folder)["step"] == state["step"]
    assert found == sorted(found, key=lambda pair: (pair[0], -pair[1])), found
    assert {*found} == {(3, 2), (4, 3), (4, 2)} and halves > 4  # killed in the middle of a file, too
