"""kill -9 at any moment: every submission that returned is there, and nothing half-written is visible."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from corrections import TEXT, files, samples, take

from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.feedback.takes import take_of

PYTHONPATH = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests")))


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

def traced(connection):
    connection.set_trace_callback(step)
    set_up(connection)

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
    assert len(submitted) > 15 and len(withdrawn) > 10
    counts, made = [], take_of(take(0))
    for folder in submitted:
        store = FeedbackStore(folder)
        rows, sounds = store.corrections(), [name for name in files(store) if not name.startswith(".")]
        assert [each.text for each in rows] in ([], [TEXT]) and len(rows) <= len(sounds) <= 1
        assert len(store.verify().left) == len(sounds) - len(rows), "a sound without its row is named"
        assert store.corrections() == rows and len(files(store)) == len(sounds)
        again = store.submit(made, TEXT, consent=True)
        assert store.verify() == (1, 1, [], [])
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
