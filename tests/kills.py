"""Works in processes that are killed, and looks after each what is left; `test_kills.py` starts it.

    kills.py FOLDER KILLS

FOLDER holds `base` (a voice) and `clips`. Everything is loaded once, and each worker is a fork. Half of the workers are
killed before their first, second, third ... touch of a file, the others at any moment.
"""

import itertools
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from corrections import TEXT, samples, take
from test_processes import weights
from two_processes import build

from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.checkpoint import load_latest
from kurdtts_lib.vits.voice import load_voice
from kurdtts_lib.voices import registry

SETTINGS = {"batch_size": 2, "segment_samples": 4096, "validate_every": 2, "checkpoint_every": 1, "steps": 100_000}
TOUCHES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")
Work = Callable[[Callable[[str], None]], None]
"""Works until it is killed, and calls its argument with what is now promised to be kept."""


class Training:
    def __init__(self, folder: Path) -> None:
        self.folder, self.last = folder, 0

    def work(self, promise: Callable[[str], None]) -> None:
        build(self.folder, "run", SETTINGS).run(report=lambda entry: promise(str(entry.step)))

    def check(self, promises: list[str]) -> None:
        state = load_latest(self.folder / "run")
        self.last = max([self.last, *map(int, promises)])
        assert (state["progress"]["step"] if state else 0) >= self.last
        voice, _ = build(self.folder, "run", SETTINGS).best_voice()
        assert np.isfinite(speak(voice, TEXT, level=False)).all()

    def compare(self) -> None:
        """Two steps further on it has the very same weights as a training that was left alone."""
        settings = {**SETTINGS, "steps": build(self.folder, "run", SETTINGS).step + 2}
        for run in ("run", "whole"):
            build(self.folder, run, settings).run()
        found, expected = weights(self.folder / "run"), weights(self.folder / "whole")
        assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


class Publishing:
    def __init__(self, folder: Path) -> None:
        self.voice, self.last = load_voice(folder / "base"), 0
        self.publish()

    def publish(self) -> int:
        self.voice.card = {"name": "test", "faults": [], "parent": None}
        return registry.publish(self.voice, "test", lambda card: f"# {card.version}\n").version

    def work(self, promise: Callable[[str], None]) -> None:
        while True:
            promise(str(self.publish()))

    def check(self, promises: list[str]) -> None:
        self.last = max([self.last, *map(int, promises)])
        current = registry.current()
        assert current.version >= self.last
        assert load_voice(current.folder).card["version"] == current.version
        assert all(load_voice(entry.folder).card["version"] == entry.version for entry in registry.voices())


class Submitting:
    def __init__(self, folder: Path) -> None:
        self.store, self.promised = FeedbackStore(folder / "feedback"), dict[str, int]()

    def work(self, promise: Callable[[str], None]) -> None:
        for number in itertools.count(10 * len(self.promised)):
            (recorded, rate) = take(number)
            promise(f"{number} {self.store.submit((recorded, rate), TEXT, consent=True).id}")

    def check(self, promises: list[str]) -> None:
        self.promised |= {id: int(number) for number, id in map(str.split, promises)}
        # A sound whose row was not written yet was not promised; nothing else may be wrong.
        assert all("belongs to no correction" in problem for problem in self.store.verify().left)
        known = {each.id: each for each in self.store.corrections()}
        for id, number in self.promised.items():
            assert samples(self.store, known[id]) == take(number)[0].tolist()


def killed(work: Work, folder: Path, touch: int, seconds: float) -> list[str]:
    """The promises of a worker that is killed before its touch number `touch`, or after `seconds` if that is 0."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"ready\n")
        if touch:
            kill_before(touch, str(folder))
        work(lambda promise: os.write(writing, f"{promise}\n".encode()))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        assert pipe.readline() == "ready\n"
        if not touch:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        promises = pipe.read().split("\n")[:-1]
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    return promises


def kill_before(touch: int, folder: str) -> None:
    left = itertools.count(touch - 1, -1)

    def watch(event: str, arguments: tuple) -> None:
        if event in TOUCHES and str(arguments[0]).startswith(folder) and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":
    torch.set_num_threads(1)
    place, kills = Path(sys.argv[1]), int(sys.argv[2])
    moments, kinds = random.Random(1), [kind(place) for kind in (Training, Publishing, Submitting)]
    for number in range(kills):
        task, turn = kinds[number % len(kinds)], number // len(kinds)
        touch = 0 if turn % 2 else 1 + turn // 2
        task.check(killed(task.work, place, touch, moments.uniform(0, 0.5)))
    kinds[0].compare()
    print(kills, "kills, nothing is lost:", kinds[0].last, "steps,", kinds[1].last, "voices,",
          len(kinds[2].promised), "recordings")  # fmt: skip
