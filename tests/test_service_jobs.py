"""Trainings that the service starts: one at a time, and what is said about them is true, whatever is killed."""

import concurrent.futures
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from filelock import FileLock
from serving import Served, refusal, serving
from speechlike import syllables

from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.files import write_json, write_text
from kurdtts_lib.core.settings import load_profile
from kurdtts_lib.feedback import finetune
from kurdtts_lib.feedback.job import LOCK, RESULT, STOP, only_training, reported
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service import jobs
from kurdtts_lib.service.jobs import START, Jobs, training_command
from kurdtts_lib.voices import lineage, registry

ID = "a" * 32

# What `kurdtts feedback train` does with its job, without a training.
TRAINER = """
import json, os, sys, time
from pathlib import Path
from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.feedback.job import reported

go, folder = Path(os.environ["KURDTTS_HOME"], "go"), Path(sys.argv[1])
(folder / "environment.json").write_text(json.dumps(dict(os.environ)), encoding="utf-8")
with reported(folder) as report:
    report.step(7, 40, "The best voice so far.")
    while not go.exists():
        if report.step(7, 40):
            report.end("failed", "Stopped as asked.")
            sys.exit(130)
        time.sleep(0.01)
    if go.read_text(encoding="utf-8") == "fail":
        raise TrainingError("There is no room on the disk.")
    if go.read_text(encoding="utf-8") == "break":
        raise MemoryError("at step 7")
    if go.read_text(encoding="utf-8") == "die":
        os._exit(1)
    report.end("done", "Voice 1 was made.", {"version": 1})
"""


@pytest.fixture
def trainer(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A training that needs no voice; none of them outlives its test."""
    (tmp_path / "trainer.py").write_text(TRAINER, encoding="utf-8")
    monkeypatch.setattr(
        jobs, "training_command", lambda _, folder: [sys.executable, str(tmp_path / "trainer.py"), str(folder)]
    )
    yield
    write_text(home / "go", "")
    for folder in (home / "runs" / "jobs").glob("*"):
        FileLock(folder / LOCK).acquire(timeout=60).lock.release()


@pytest.fixture
def served(trainer: None) -> Iterator[Served]:
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


def ended(served: Served, id: str) -> dict:
    return until(lambda: shown(served, id), lambda job: job["state"] != "running")


def of_a_killed_service() -> tuple[Jobs, str]:
    """A service that is gone, whose training has made its steps."""
    service = Jobs("sample")
    id = service.start()
    until(lambda: service.get(id).model_dump(), lambda job: job["step"] == 7)
    return service, id


def test_the_command_is_that_of_the_command_line(tmp_path: Path) -> None:
    command = [*("-m", "kurdtts_lib.cli", "feedback", "train")]
    assert training_command("full", tmp_path)[1:] == [*command, "--profile", "full", "--job", str(tmp_path)]
    assert training_command(None, tmp_path)[1:] == [*command, "--job", str(tmp_path)], "with the profile of the voice"


def test_the_real_command_says_why_it_cannot_train(home: Path) -> None:
    with serving() as served:
        job = ended(served, served.client.post("/feedback/train").json()["job"])
    assert job["state"] == "failed" and job["message"].startswith("There is no fine-tuned voice yet"), job


@pytest.mark.filterwarnings("ignore:There are no ordinary recordings")
def test_the_real_command_stops_and_goes_on_and_tells_it_all(
    current: registry.RegisteredVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "RETENTION_SENTENCES", 2)
    sample = load_profile("sample")
    few = dataclasses.replace(sample, feedback=dataclasses.replace(sample.feedback, steps=4, validate_every=1))
    monkeypatch.setattr(lineage, "profile_of", lambda *_: few)
    store = FeedbackStore()
    for number, text in enumerate(("Roj baş, heval.", "Ez diçim malê.", "Em li vir in.")):
        sound = syllables(2.0, pitch=150 + 10 * number, seed=number).astype(np.float32)
        store.accept(store.submit((sound, 16_000), text, consent=True).id)
    service = Jobs("sample")
    for id in (ID, "b" * 32):
        write_json(service.folder / id / START, {"created": "2026-01-01T00:00:00.000+00:00"})
    (service.folder / ID / STOP).touch()

    assert app.main(["feedback", "train", "--profile", "sample", "--job", str(service.folder / ID)]) == 130
    job = service.get(ID)
    assert (job.state, job.result) == ("failed", None) and "its checkpoint is kept" in job.message
    assert job.steps and job.step < job.steps

    assert app.main(["feedback", "train", "--profile", "sample", "--job", str(service.folder / ("b" * 32))]) == 0
    done = service.get("b" * 32)
    assert done.state == "done" and done.message == "Voice 2 was made and is the current voice now."
    assert done.finished and done.created and job.step < done.step <= job.steps
    card = registry.current().card
    figures = {name: getattr(card, name) for name in ("learned", "held_out", "elsewhere")}
    known = {"version": 2, "voice": registry.current().folder.name, "faults": [], "left_out": {}}
    assert done.result == known | figures


def test_a_training_runs_tells_how_far_it_is_and_what_came_out(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KURDTTS_TOKEN", "secret")
    id = started(served)
    environment = json.loads((home / "runs" / "jobs" / id / "environment.json").read_text(encoding="utf-8"))
    assert "KURDTTS_TOKEN" not in environment and environment["KURDTTS_HOME"] == str(home)
    job = shown(served, id)
    assert (job["state"], job["step"], job["steps"]) == ("running", 7, 40)
    assert (job["message"], job["result"], job["finished"]) == ("The best voice so far.", None, None)
    write_text(home / "go", "")
    job = ended(served, id)
    assert (job["state"], job["message"], job["result"]) == ("done", "Voice 1 was made.", {"version": 1})
    assert job["finished"] > job["created"]
    assert served.client.post("/feedback/train").status_code == 202, "and the next one may begin"


@pytest.mark.parametrize(
    ("word", "said"),
    [("fail", "There is no room on the disk."), ("break", "MemoryError('at step 7')"), ("die", jobs.GONE)],
)
def test_a_training_that_fails_says_why(served: Served, home: Path, word: str, said: str) -> None:
    id = started(served)
    write_text(home / "go", word)
    job = ended(served, id)
    assert (job["state"], job["message"], job["step"]) == ("failed", said, 7)


def test_of_many_that_ask_at_once_one_gets_the_training_and_none_while_another_program_trains(
    served: Served, home: Path
) -> None:
    with only_training():
        assert refusal(served.client.post("/feedback/train")) == (409, "training_runs")
    assert not (home / "runs" / "jobs").exists()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: httpx.post(f"{served.address}/feedback/train", timeout=60), range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert {refusal(answer) for answer in answers if answer.status_code == 409} == {(409, "training_runs")}
    assert len(list((home / "runs" / "jobs").iterdir())) == 1


def test_a_training_stops_when_it_is_asked_or_its_service_closes(trainer: None) -> None:
    with serving() as served:
        id = started(served)
        assert served.client.delete(f"/jobs/{id}").status_code == 202
        assert ended(served, id)["message"] == "Stopped as asked."
        assert refusal(served.client.delete(f"/jobs/{id}")) == (409, "not_running")
        id = started(served)
    with serving() as served:
        assert (ended(served, id)["state"], ended(served, id)["message"]) == ("failed", "Stopped as asked.")


def test_a_training_of_a_killed_service_is_known_to_the_next_one_that_can_stop_it(trainer: None) -> None:
    _, id = of_a_killed_service()
    with serving() as served:
        assert shown(served, id)["state"] == "running"
        assert served.client.delete(f"/jobs/{id}").status_code == 202
        assert ended(served, id)["message"] == "Stopped as asked."


def test_a_process_that_was_killed_is_failed_for_every_service(trainer: None) -> None:
    service, id = of_a_killed_service()
    assert service._process
    service._process.kill()
    with serving() as served:
        found = ended(served, id)
        assert (found["state"], found["message"], found["step"]) == ("failed", jobs.GONE, 7)
        assert shown(served, id) == found == service.get(id).model_dump()
        assert served.client.post("/feedback/train").status_code == 202


def test_a_process_that_begins_after_it_was_thought_to_be_gone_does_nothing(home: Path) -> None:
    service = Jobs("sample")
    write_json(service.folder / ID / START, {"created": "2026-01-01T00:00:00.000+00:00"})
    assert service.get(ID).state == "failed"  # of an earlier service, and it has no lock yet
    before = (service.folder / ID / RESULT).read_bytes()
    with pytest.raises(TrainingError, match="has ended"), reported(service.folder / ID):
        raise AssertionError
    assert (service.folder / ID / RESULT).read_bytes() == before
