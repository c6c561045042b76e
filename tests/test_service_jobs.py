"""Trainings that the service starts: one at a time, and what is said about them is true, whatever is killed."""

import concurrent.futures
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from serving import Served, refusal, serving

from kurdtts_lib.feedback.training import only_training
from kurdtts_lib.service import jobs
from kurdtts_lib.service.jobs import Job, Jobs, training_command

# What a training leaves behind, without a training: a log, at "go" a voice, at SIGTERM a checkpoint.
TRAINER = """
import json, os, pathlib, signal, sys, time
home = pathlib.Path(os.environ["KURDTTS_HOME"])
run = home / "runs" / "feedback-abc"
run.mkdir(parents=True, exist_ok=True)

def stop(*_):
    (run / "checkpoint").write_text("kept", encoding="utf-8")
    print("Stopped at step 7; everything is saved.", flush=True)
    sys.exit(130)

signal.signal(signal.SIGTERM, stop)
(run / "settings.json").write_text(json.dumps({"steps": 40}), encoding="utf-8")
lines = [{"step": 6, "terms": {}}, {"event": "best", "step": 7, "text": "The best voice so far."}]
(run / "log.jsonl").write_text("".join(json.dumps(line) + chr(10) for line in lines) + '{"step": 8', encoding="utf-8")
(run / "environment.json").write_text(json.dumps(dict(os.environ)), encoding="utf-8")
while not (home / "go").exists():
    time.sleep(0.01)
if (home / "go").read_text(encoding="utf-8") == "fail":
    print("\\r 5 steps\\rkurdtts feedback: There is no room on the disk.", file=sys.stderr)
    sys.exit(1)
if (home / "go").read_text(encoding="utf-8") == "nothing":
    print("elsewhere 12 sentences")
    print("Nothing better was found: voice 1 stays.")
    sys.exit(0)
voice = home / "models" / "voice-0001-sample"
voice.mkdir(parents=True)
(voice / "model.safetensors").write_bytes(b"")
card = {"corrections": ["x"], "faults": [], "learned": {"sentences": 1, "before": 2.0, "after": 1.0}}
(voice / "voice.json").write_text(json.dumps(card), encoding="utf-8")
"""


WITH_SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process at once")


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A training that needs no voice; none of them outlives its test."""
    (tmp_path / "trainer.py").write_text(TRAINER, encoding="utf-8")
    monkeypatch.setattr(jobs, "training_command", lambda profile: [sys.executable, str(tmp_path / "trainer.py")])
    children: set[int] = {child.pid for child in psutil.Process().children()}
    yield
    for child in psutil.Process().children():
        if child.pid not in children:
            child.kill()
            child.wait(timeout=60)


@pytest.fixture
def served(home: Path, trainer: None) -> Iterator[Served]:
    with serving() as service:
        yield service


def until(ask: Callable[[], dict], holds: Callable[[dict], bool]) -> dict:
    """Ask until something holds; a minute is for a machine that is busy with other things."""
    for _ in range(3000):
        found = ask()
        if holds(found):
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def started(served: Served) -> str:
    """The id of a job that has made its steps."""
    response = served.client.post("/feedback/train")
    assert response.status_code == 202, response.text
    id = response.json()["job"]
    until(lambda: shown(served, id), lambda job: job["step"] == 7)
    return id


def shown(served: Served, id: str) -> dict:
    response = served.client.get(f"/jobs/{id}")
    assert response.status_code == 200, response.text
    return response.json()


def test_the_command_is_that_of_the_command_line() -> None:
    command = [sys.executable, "-m", "kurdtts_lib.cli", "feedback", "train"]
    assert training_command("full") == [*command, "--profile", "full"]
    assert training_command(None) == command, "with the profile of the voice"


def test_the_real_command_says_why_it_cannot_train(home: Path) -> None:
    with serving() as served:
        id = served.client.post("/feedback/train").json()["job"]
        job = until(lambda: shown(served, id), lambda job: job["state"] not in ("queued", "running"))
    assert job["state"] == "failed" and "There is no fine-tuned voice yet" in job["message"], job


def test_a_training_runs_tells_how_far_it_is_and_what_came_out(served: Served, home: Path) -> None:
    id = started(served)
    job = shown(served, id)
    assert (job["state"], job["step"], job["steps"]) == ("running", 7, 40)
    assert (job["message"], job["result"], job["finished"]) == ("The best voice so far.", None, None)
    (home / "go").write_text("", encoding="utf-8")
    job = until(lambda: shown(served, id), lambda job: job["state"] != "running")
    assert (job["state"], job["message"]) == ("done", "Voice 1 was made.")
    assert job["result"] == {
        **{"version": 1, "voice": "voice-0001-sample", "faults": [], "held_out": None, "elsewhere": None},
        "left_out": {},
        "learned": {"sentences": 1, "before": 2.0, "after": 1.0},
    }
    assert job["finished"] > job["created"]
    assert served.client.post("/feedback/train").status_code == 202, "and the next one may begin"


def test_a_training_that_found_nothing_better_is_done_and_says_so(home: Path, trainer: None) -> None:
    job = Jobs("sample").start()  # of a service that is gone: the next one never hears the exit code
    with serving() as served:
        until(lambda: shown(served, job.id), lambda found: found["step"] == 7)
        (home / "go").write_text("nothing", encoding="utf-8")
        found = until(lambda: shown(served, job.id), lambda found: found["state"] != "running")
    assert (found["state"], found["result"]) == ("done", None)
    assert found["message"].startswith("Nothing better was found: ")


def test_a_training_that_fails_says_its_last_line(served: Served, home: Path) -> None:
    id = started(served)
    (home / "go").write_text("fail", encoding="utf-8")
    job = until(lambda: shown(served, id), lambda job: job["state"] != "running")
    assert job["state"] == "failed" and job["message"] == "kurdtts feedback: There is no room on the disk."


def test_of_many_that_ask_at_once_one_gets_the_training(served: Served, home: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: httpx.post(f"{served.address}/feedback/train", timeout=60), range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert {refusal(answer) for answer in answers if answer.status_code == 409} == {(409, "training_runs")}
    assert len(list((home / "runs" / "jobs").glob("*.json"))) == 1


def test_while_another_program_trains_none_is_started(served: Served, home: Path) -> None:
    with only_training():
        assert refusal(served.client.post("/feedback/train")) == (409, "training_runs")
    assert list((home / "runs" / "jobs").glob("*")) == []
    started(served)


@WITH_SIGNALS
def test_a_training_that_ends_between_two_questions_keeps_its_code(
    trainer: None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Jobs("sample")
    job = runner.start()
    process, ordinary = runner._processes[job.id], subprocess.Popen.poll

    def ends_just_after(child: subprocess.Popen) -> int | None:
        code = ordinary(child)
        psutil.Process(child.pid).kill()
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        return code

    with monkeypatch.context() as patch:
        patch.setattr(subprocess.Popen, "poll", ends_just_after)
        assert runner.get(job.id).state == "running"
    found = runner.get(job.id)
    assert found.state == "failed" and "ended with code" in found.message and process.returncode


@WITH_SIGNALS
def test_a_stopped_training_keeps_its_checkpoint(served: Served, home: Path) -> None:
    id = started(served)
    assert served.client.delete(f"/jobs/{id}").status_code == 202
    job = until(lambda: shown(served, id), lambda job: job["state"] != "running")
    assert job["state"] == "failed" and "Stopped as asked; its checkpoint is kept" in job["message"]
    assert (home / "runs" / "feedback-abc" / "checkpoint").is_file()
    assert refusal(served.client.delete(f"/jobs/{id}")) == (409, "not_running")


def test_a_killed_training_is_failed_and_not_running(served: Served, home: Path) -> None:
    id = started(served)
    psutil.Process(record(home, id).pid).kill()
    job = until(lambda: shown(served, id), lambda job: job["state"] != "running")
    assert job["state"] == "failed" and job["step"] == 7


@WITH_SIGNALS
def test_a_service_that_is_closed_stops_its_training(home: Path, trainer: None) -> None:
    with serving() as served:
        id = started(served)
    with serving() as served:
        job = until(lambda: shown(served, id), lambda job: job["state"] != "running")
    assert job["state"] == "failed" and "Stopped as asked" in job["message"]
    assert (home / "runs" / "feedback-abc" / "checkpoint").is_file()


def test_a_training_of_a_killed_service_is_known_to_the_next_one(home: Path, trainer: None) -> None:
    job = Jobs("sample").start()  # of a service that is killed: nobody closes it
    with serving() as served:
        until(lambda: shown(served, job.id), lambda found: found["step"] == 7)
        assert shown(served, job.id)["state"] == "running"
        assert refusal(served.client.post("/feedback/train")) == (409, "training_runs")
        (home / "go").write_text("", encoding="utf-8")
        found = until(lambda: shown(served, job.id), lambda found: found["state"] != "running")
        assert (found["state"], found["result"]["version"]) == ("done", 1)


def test_a_process_that_vanished_while_nobody_looked_is_failed(home: Path, trainer: None) -> None:
    job = Jobs("sample").start()
    psutil.Process(job.pid).kill()
    with serving() as served:
        found = until(lambda: shown(served, job.id), lambda found: found["state"] != "running")
        assert found["state"] == "failed" and "Its process is gone" in found["message"]
        assert shown(served, job.id) == found
        assert served.client.post("/feedback/train").status_code == 202


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": None, "process_began": None, "state": "queued"},
        {"pid": os.getpid(), "process_began": 1.0},  # another process has the number now
        {"pid": 2**22 + 1, "process_began": 1.0},
    ],
)
def test_a_record_without_its_process_is_failed(served: Served, home: Path, changes: dict) -> None:
    folder = home / "runs" / "jobs"
    folder.mkdir(parents=True)
    job = {"id": "a" * 32, "created": "2026-01-01T00:00:00+00:00", "versions_before": [], "state": "running", **changes}
    (folder / f"{job['id']}.json").write_text(json.dumps(job), encoding="utf-8")
    assert shown(served, "a" * 32)["state"] == "failed"
    assert psutil.pid_exists(os.getpid())


def test_the_training_does_not_learn_the_token(served: Served, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KURDTTS_TOKEN", "secret")
    started(served)
    environment = json.loads((home / "runs" / "feedback-abc" / "environment.json").read_text(encoding="utf-8"))
    assert "KURDTTS_TOKEN" not in environment and environment["KURDTTS_HOME"] == str(home)


@pytest.mark.parametrize("id", ["../jobs/x", "%2e%2e%2ffeedback-abc%2fsettings", "a" * 32, "A" * 32, "a" * 31 + "%00"])
def test_an_unknown_job_is_not_found(served: Served, id: str) -> None:
    for method in ("GET", "DELETE"):
        assert refusal(served.client.request(method, f"/jobs/{id}"))[0] == 404


def record(home: Path, id: str) -> Job:
    return Job(**json.loads((home / "runs" / "jobs" / f"{id}.json").read_text(encoding="utf-8")))
