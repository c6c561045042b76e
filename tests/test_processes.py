"""Trainings in processes of their own: killed again and again, or two that make the update of one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import training_process
import two_processes
from tiny import STILL
from two_processes import launch

from kurdtts_lib.core.files import locked
from kurdtts_lib.data.dataset import Clip, write_metadata
from kurdtts_lib.vits.checkpoint import load_latest
from kurdtts_lib.vits.voice import Voice, save_voice

SCRIPT = training_process.__file__
SETTINGS = {"batch_size": 2, "segment_samples": 4096, "learning_rate": 1e-3}
SETTINGS |= {"validate_every": 3, "checkpoint_every": 1}


@pytest.fixture
def folder(tone_clips: list[Clip], make_voice: Callable[..., Voice], tmp_path: Path) -> Path:
    """A voice without dropout, and a corpus."""
    save_voice(make_voice(**STILL), tmp_path / "base", "base\n")
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
def test_a_training_killed_three_times_ends_with_the_very_same_weights_as_one_left_alone(folder):
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
def test_two_processes_train_the_voice_that_one_would_and_only_the_main_one_writes(folder, monkeypatch):
    # A large eps keeps Adam's quotient from magnifying the rounding of gradients that are zero but for rounding.
    settings = {**SETTINGS, "batch_size": 5, "eps": 1e-2, "learning_rate": 1e-2}
    give_back_chance(monkeypatch)
    one = training_process.build(folder, "one", {**settings, "steps": 4})
    before = {f"generator.{name}": value.clone() for name, value in one.voice.model.state_dict().items()}
    two_processes.no_chance()
    one.run()
    with locked(folder / "two"):  # another training has it: both end, and none waits for the other
        done = launch(SCRIPT, folder, "two", json.dumps(settings), "still")
        said = f"TrainingError: Another training is running in {folder / 'two'}"
        assert done.returncode != 0 and said in done.stderr
    assert not (folder / "two").exists()
    for steps in (2, 4):  # the second time they go on from the main one's checkpoint
        done = launch(SCRIPT, folder, "two", json.dumps({**settings, "steps": steps}), "still")
        assert done.returncode == 0, done.stderr[-3000:]
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


def give_back_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the test, `no_chance` has changed nothing."""
    for name in ("randn_like", "randn", "rand"):
        monkeypatch.setattr(torch, name, getattr(torch, name))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What each of the two processes wrote."""
    folder = tmp_path_factory.mktemp("processes")
    done = launch(two_processes.__file__, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_two_processes_make_the_update_of_the_joint_batch(found, monkeypatch):
    give_back_chance(monkeypatch)
    cpu = SimpleNamespace(device=torch.device("cpu"), num_processes=1)
    step = two_processes.new_step(seed=5, state=cpu)
    before = two_processes.weights(step)
    two_processes.no_chance()
    expected = [step([two_processes.batch(0, 1, 2, 3, 4)]) for _ in range(two_processes.STEPS)]
    after = two_processes.weights(step)
    assert [process["processes"] for process in found] == [2, 2]
    first, second = found
    assert first["outcomes"] == second["outcomes"] and first["trained"].keys() == second["trained"].keys()
    assert all(torch.equal(value, second["trained"][name]) for name, value in first["trained"].items())
    for process in found:
        for outcome, joint in zip(process["outcomes"], expected, strict=True):
            for values in ("terms", "gradient_norms", "diagnostics"):
                assert outcome[values] == pytest.approx(getattr(joint, values), rel=1e-3, abs=1e-6), values
            assert outcome["skipped"] is joint.skipped is None
        for name, start in before.items():
            move = (after[name] - start).norm()
            assert (process["trained"][name] - after[name]).norm() <= 2e-3 * move + 1e-7, name
    assert sum(not torch.equal(after[name], start) for name, start in before.items()) > 100


def test_what_is_not_finite_in_one_process_is_skipped_by_both(found):
    assert found[0]["spoilt"] == found[1]["spoilt"]
    assert found[0]["spoilt"].startswith("discriminator and generator: loss ")
    for process in found:
        assert all(torch.equal(value, process["trained"][name]) for name, value in process["after"].items())
