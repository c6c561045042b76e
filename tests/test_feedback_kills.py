"""kill -9 at any moment: every submission that returned is there, and nothing half-written is visible."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from corrections import TEXT, files, samples, store, take
from speechlike import syllables

from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import take_of

__all__ = ["store"]  # the fixture
PYTHONPATH = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests")))


RUN = """
import sys
from pathlib import Path
import numpy as np
from speechlike import syllables
from kurdtts_lib.feedback.store import FeedbackStore

store, number = FeedbackStore(Path(sys.argv[1])), int(sys.argv[2])
base = np.rint(32768 * syllables(1.0)).astype(np.int16)
print("ready", flush=True)
for turn in range(10_000):
    samples = base.copy()
    samples[:2] = number, turn
    correction = store.submit((samples, 16_000), "Roj baş heval", consent=True)
    print("submitted", turn, correction.id, flush=True)
    if turn % 5 == 4:
        store.withdraw(correction.id)
        print("withdrawn", turn, correction.id, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_every_submission_that_returned_is_there(store: FeedbackStore, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN, encoding="utf-8")
    base = np.rint(32768 * syllables(1.0)).astype(np.int16)
    rng, promised = random.Random(3), {}
    for batch in range(3):
        numbers = range(10 * batch, 10 * batch + 3)
        logs = [tmp_path / f"{number}.log" for number in numbers]
        workers = []
        for number, log in zip(numbers, logs, strict=True):
            with log.open("wb") as file:
                command = [sys.executable, str(script), str(store.folder), str(number)]
                workers.append(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": PYTHONPATH}, stdout=file))
        deadline = time.monotonic() + 600
        while not all(b"withdrawn" in log.read_bytes() for log in logs) and time.monotonic() < deadline:
            time.sleep(0.005)
        for worker in workers:
            time.sleep(rng.uniform(0.0, 0.15))
            worker.kill()
        assert all(worker.wait() != 0 for worker in workers)
        for number, log in zip(numbers, logs, strict=True):
            for line in log.read_bytes().decode("utf-8").split("\n")[1:-1]:
                state, turn, id = line.split()
                promised[id] = (state, number, int(turn))
        assert store.verify().ok and store.verify().mended == []
        known = {each.id: each for each in store.corrections()}
        for id, (state, number, turn) in promised.items():
            if state == "withdrawn":
                assert known[id].state == "withdrawn" and not (store.sounds / f"{known[id].digest}.flac").exists()
            elif turn % 5 != 4:  # a fifth one may have been killed on the way of its withdrawal
                expected = base.copy()
                expected[:2] = number, turn
                assert samples(store, known[id]) == expected.tolist()
    assert len(promised) > 15 and any(state == "withdrawn" for state, _, _ in promised.values())


STEPS = """
import os, shutil, signal, sys
from pathlib import Path
from corrections import TEXT, take
from kurdtts_lib.feedback import database
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import take_of

left, set_up, made = 0, database._set_up, take_of(take(0))

def step(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def traced(connection, path):
    connection.set_trace_callback(step)
    set_up(connection, path)

def watch(event, _):
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "sqlite3.connect"):
        step()

def killed(work, steps):
    global left
    child = os.fork()
    if child == 0:
        left = steps
        sys.addaudithook(watch)
        database._set_up = traced
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0

folder = Path(sys.argv[1])
id = FeedbackStore(folder / "first").submit(made, TEXT, consent=True).id  # everything is loaded, the take checked
for name in ("submit", "withdraw"):
    for steps in range(1, 1000):
        store = FeedbackStore(folder / f"{name}-{steps:03d}")
        if name == "submit":
            work = lambda: store.submit(made, TEXT, consent=True)
        else:
            shutil.copytree(folder / "first", store.folder)
            work = lambda: store.withdraw(id)
        if not killed(work, steps):
            break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: a new process for each step would take minutes")
def test_killed_before_each_step_the_store_holds_all_or_nothing(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", STEPS, str(tmp_path)], env={**os.environ, "PYTHONPATH": PYTHONPATH}, check=True
    )
    submitted, withdrawn = sorted(tmp_path.glob("submit-*")), sorted(tmp_path.glob("withdraw-*"))
    assert len(submitted) > 20 and len(withdrawn) > 15
    counts, made = [], take_of(take(0))
    for folder in submitted:
        store = FeedbackStore(folder)
        rows, sounds = store.corrections(), [name for name in files(store) if not name.startswith(".")]
        assert [each.text for each in rows] in ([], [TEXT]) and len(rows) <= len(sounds) <= 1
        assert store.verify().ok and store.verify().mended == []
        assert len(store.corrections()) == len(files(store)) == len(sounds)
        again = store.submit(made, TEXT, consent=True)
        assert again.repeated == bool(rows) and store.corrections() == [store.get(again.id)]
        assert samples(store, again) == take(0)[0].tolist()
        counts.append(len(rows))
    assert counts == sorted(counts) and set(counts) == {0, 1}
    states = []
    for folder in withdrawn:
        store = FeedbackStore(folder)
        (row,) = store.corrections()
        assert store.verify().ok and store.corrections() == [row]
        assert len(files(store)) == (row.state == "submitted") == (row.text == TEXT)
        states.append(row.state)
    assert states == sorted(states) and set(states) == {"submitted", "withdrawn"}
