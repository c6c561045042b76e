"""Two processes, as `accelerate launch` starts them, make the update of one with the joint batch."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import two_processes

LAUNCH = [
    *(sys.executable, "-m", "accelerate.commands.launch"),
    *("--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"),
    *("--mixed_precision", "no", "--dynamo_backend", "no"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What each of the two processes wrote."""
    folder = tmp_path_factory.mktemp("processes")
    script = Path(two_processes.__file__)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*LAUNCH, str(script), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_two_processes_make_the_update_of_the_joint_batch(found, monkeypatch):
    for name in ("randn_like", "randn", "rand"):
        monkeypatch.setattr(torch, name, getattr(torch, name))  # gives them back after the test
    cpu = SimpleNamespace(device=torch.device("cpu"), num_processes=1)
    step = two_processes.new_step(seed=5, state=cpu)
    before = two_processes.weights(step)
    two_processes.no_chance()
    expected = [step([two_processes.batch(0, 1, 2, 3, 4)]) for _ in range(two_processes.STEPS)]
    after = two_processes.weights(step)
    assert [process["processes"] for process in found] == [2, 2]
    for process in found:
        for outcome, joint in zip(process["outcomes"], expected, strict=True):
            for values in ("terms", "gradient_norms", "diagnostics"):
                assert outcome[values] == pytest.approx(getattr(joint, values), rel=1e-3, abs=1e-6), values
            assert outcome["skipped"] is joint.skipped is None
        for name, start in before.items():
            move = (after[name] - start).norm()
            assert (process["trained"][name] - after[name]).norm() <= 2e-3 * move + 1e-7, name
    assert sum(not torch.equal(after[name], start) for name, start in before.items()) > 100


def test_both_processes_hold_the_very_same_weights_and_figures(found):
    first, second = found
    assert first["outcomes"] == second["outcomes"]
    assert first["trained"].keys() == second["trained"].keys()
    assert all(torch.equal(value, second["trained"][name]) for name, value in first["trained"].items())


def test_what_is_not_finite_in_one_process_is_skipped_by_both(found):
    assert found[0]["spoilt"] == found[1]["spoilt"]
    assert found[0]["spoilt"].startswith("discriminator and generator: loss ")
    for process in found:
        assert all(torch.equal(value, process["trained"][name]) for name, value in process["after"].items())
