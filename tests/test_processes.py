"""Trainings in processes of their own: killed again and again, or two that work on one voice."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import training_process
import two_processes
from test_distributed import LAUNCH

from kurdtts_lib.core.files import locked
from kurdtts_lib.data.dataset import Clip, write_metadata
from kurdtts_lib.vits.checkpoint import load_latest
from kurdtts_lib.vits.voice import Voice, save_voice

SCRIPT = str(Path(training_process.__file__))
SETTINGS = {
    "batch_size": 2,
    "segment_samples": 4096,
    "learning_rate": 1e-3,
    "validate_every": 3,
    "checkpoint_every": 1,
}


@pytest.fixture
def folder(tone_clips: list[Clip], make_voice: Callable[..., Voice], tmp_path: Path) -> Path:
    """A voice without dropout, and a corpus."""
    kinds = ("hidden", "attention", "activation", "duration_predictor", "wavenet")
    save_voice(make_voice(**{f"{kind}_dropout": 0.0 for kind in kinds}), tmp_path / "base", "base\n")
    data = tmp_path / "data"
    (tmp_path / "clips").rename(data)
    write_metadata(data / "metadata.csv", [(clip.path.name, clip.text) for clip in tone_clips])
    return tmp_path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = load_latest(folder)
    assert state is not None
    return {f"{part}.{name}": value for part in ("generator", "discriminator") for name, value in state[part].items()}


def logged_steps(run: Path) -> list[int]:
    """The steps in the log now, whole lines or not."""
    log = run / "log.jsonl"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.is_file() else []
    return [int(line.split(",")[0].split(":")[1]) for line in lines if line.startswith('{"step": ') and "," in line]


@pytest.mark.slow
def test_a_training_killed_three_times_ends_with_the_very_same_weights_as_one_left_alone(folder: Path) -> None:
    settings = {**SETTINGS, "steps": 24}
    whole = training_process.build(folder, "whole", settings)
    whole.run()
    run = folder / "killed"
    command = [sys.executable, SCRIPT, str(folder), "killed", json.dumps(settings), "random"]
    for step, files in ((3, 1), (9, 2), (15, 4)):
        killed = [*command, str(step), str(files)]
        child = subprocess.run(killed, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
        assert child.returncode == 9, child.stderr.decode("utf-8", "replace")[-2000:]
        state = load_latest(run)
        assert state is not None and step - 1 <= state["progress"]["step"] <= step + 4
    subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
    found, expected = weights(run), weights(folder / "whole")
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []
    assert logged_steps(run) == list(range(1, 25))
    best = [torch.load(folder / name / "best.pt") for name in ("killed", "whole")]
    assert best[0]["step"] == best[1]["step"]
    # The measure is not bit for bit the same in two processes; the weights are.
    assert best[0]["score"] == pytest.approx(best[1]["score"], rel=1e-6)
    assert not list(run.rglob(".*.pt"))


@pytest.mark.slow
def test_two_processes_train_the_voice_that_one_would_and_only_the_main_one_writes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A large eps keeps Adam's quotient from magnifying the rounding of gradients that are zero but for rounding.
    settings = {**SETTINGS, "batch_size": 5, "eps": 1e-2, "learning_rate": 1e-2}
    for name in ("randn_like", "randn", "rand"):
        monkeypatch.setattr(torch, name, getattr(torch, name))  # gives them back after the test
    one = training_process.build(folder, "one", {**settings, "steps": 4})
    before = {f"generator.{name}": value.clone() for name, value in one.voice.model.state_dict().items()}
    two_processes.no_chance()
    one.run()
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    with locked(folder / "two"):  # another training has it: both end, and none waits for the other
        arguments = [str(folder), "two", json.dumps(settings), "still"]
        done = subprocess.run([*LAUNCH, SCRIPT, *arguments], env=environment, capture_output=True, timeout=600)
        said = done.stderr.decode("utf-8", "replace")
        assert done.returncode != 0 and f"TrainingError: Another training is running in {folder / 'two'}" in said
    assert not (folder / "two").exists()
    for steps in (2, 4):  # the second time they go on from the main one's checkpoint
        arguments = [str(folder), "two", json.dumps({**settings, "steps": steps}), "still"]
        done = subprocess.run([*LAUNCH, SCRIPT, *arguments], env=environment, capture_output=True, timeout=600)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-3000:]
    expected, found = weights(folder / "one"), weights(folder / "two")
    for name, start in before.items():
        move = (expected[name] - start).norm()
        assert (found[name] - expected[name]).norm() <= 5e-3 * move + 1e-6, name
    assert sum(not torch.equal(expected[name], start) for name, start in before.items()) > 50
    assert logged_steps(folder / "two") == [1, 2, 3, 4]
    state = load_latest(folder / "two")
    assert state is not None and len(state["random"]) == 2
    assert not torch.equal(*(numbers["torch"] for numbers in state["random"]))  # each draws for its own clips
    scores = [torch.load(folder / name / "best.pt")["score"] for name in ("one", "two")]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)
