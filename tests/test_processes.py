"""Two processes that make the update of one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import two_processes
from tiny import STILL
from two_processes import build, launch

from kurdtts_lib.core.files import locked
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.vits.checkpoint import load_latest
from kurdtts_lib.vits.log import read_log
from kurdtts_lib.vits.voice import Voice, save_voice


@pytest.fixture
def folder(tone_clips: list[Clip], make_audible_voice: Callable[..., Voice], tmp_path: Path) -> Path:
    """A voice without dropout, and clips."""
    save_voice(make_audible_voice(**STILL), tmp_path / "base", "base\n")
    return tmp_path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = load_latest(folder)
    assert state is not None
    return {f"{part}.{name}": value for part in ("generator", "discriminator") for name, value in state[part].items()}


def assert_near(found: dict, expected: dict, before: dict, tolerance: float) -> None:
    """Both made the same move from `before`, but for rounding."""
    for name, start in before.items():
        move = (expected[name] - start).norm()
        assert (found[name] - expected[name]).norm() <= tolerance * move + 1e-6, name
    assert sum(not torch.equal(expected[name], start) for name, start in before.items()) > 50


@pytest.mark.slow
def test_two_processes_train_the_voice_that_one_would_and_only_the_main_one_writes(folder, monkeypatch):
    settings = {**two_processes.SETTINGS, "validate_every": 3, "checkpoint_every": 1}
    one = build(folder, "one", {**settings, "steps": 4})
    before = {f"generator.{name}": value.clone() for name, value in one.voice.model.state_dict().items()}
    two_processes.no_chance(monkeypatch.setattr)
    one.run()
    with locked(folder / "two"):  # another training has it: both end, and none waits for the other
        done = launch(folder, "two", json.dumps(settings))
        said = f"TrainingError: Another training is running in {folder / 'two'}"
        assert done.returncode != 0 and said in done.stderr
    assert not (folder / "two").exists()
    for steps in (2, 4):  # the second time they go on from the main one's checkpoint
        done = launch(folder, "two", json.dumps({**settings, "steps": steps}))
        assert done.returncode == 0, done.stderr[-3000:]
    assert_near(weights(folder / "two"), weights(folder / "one"), before, 5e-3)
    assert [entry.step for entry in read_log(folder / "two").steps] == [1, 2, 3, 4]
    state = load_latest(folder / "two")
    assert state is not None and len(state["random"]) == 2
    assert not torch.equal(*(numbers["torch"] for numbers in state["random"]))  # each draws for its own clips
    scores = [torch.load(folder / name / "best.pt")["score"] for name in ("one", "two")]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)


def test_two_processes_make_the_update_of_the_joint_batch_and_skip_together(folder, monkeypatch):
    trainer = build(folder, "alone", two_processes.SETTINGS)
    step = trainer.state.training_step
    before = two_processes.weights(step)
    two_processes.no_chance(monkeypatch.setattr)
    expected = [step([two_processes.batch(trainer, 0, 1, 2, 3, 4)]) for _ in range(two_processes.STEPS)]
    after = two_processes.weights(step)
    done = launch(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    assert [process["processes"] for process in found] == [2, 2]
    first, second = found
    assert first["outcomes"] == second["outcomes"] and first["trained"].keys() == second["trained"].keys()
    assert all(torch.equal(value, second["trained"][name]) for name, value in first["trained"].items())
    for outcome, joint in zip(first["outcomes"], expected, strict=True):
        for values in ("terms", "gradient_norms", "signals"):
            assert outcome[values] == pytest.approx(getattr(joint, values), rel=1e-3, abs=1e-6), values
        assert outcome["skipped"] is joint.skipped is None
    assert_near(first["trained"], after, before, 2e-3)
    assert first["spoilt"] == second["spoilt"]  # though only one process saw what is not finite
    assert first["spoilt"].startswith("discriminator and generator: loss ")
    for process in found:
        assert all(torch.equal(value, process["trained"][name]) for name, value in process["after"].items())
