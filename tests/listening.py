"""Listening tests in miniature, and listeners who answer by what they know."""

import dataclasses
import datetime
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from speechlike import syllables

from kurdtts_lib.evaluation.listening.design import (
    HIDDEN_REFERENCE,
    LOW_ANCHOR,
    SCALE,
    AnswerKey,
    ListeningTest,
    Trial,
    make_test,
)
from kurdtts_lib.evaluation.listening.store import FORMAT, ListeningStore, SubmittedAnswer

RATE = 16_000
SENTENCES = ("Roj baş.", "Ez li vir im.", "Navê min Azad e.", "Em diçin malê.", "Bi xêr hatî.", "Şev baş.")
NOW = "2026-05-01T12:00:00+00:00"
Listener = Callable[[Trial], int]
"""The answer to a trial."""


def spoken(pitch: float, sentences: int = 3, seconds: float = 1.0) -> dict[str, np.ndarray]:
    """Sentence to waveform, (samples,) at 16 kHz; no two alike."""
    texts = SENTENCES[:sentences]
    return {text: syllables(seconds + 0.1 * number, pitch, RATE, number) for number, text in enumerate(texts)}


def systems(count: int = 2, sentences: int = 3) -> dict[str, dict[str, np.ndarray]]:
    return {f"voice-{name}": spoken(120 + 20 * number, sentences) for number, name in enumerate("abcdef"[:count])}


def small_test(count: int = 2, sentences: int = 3, listeners: int = 4) -> ListeningTest:
    anchors = {f"anchor {number}": sound for number, sound in enumerate(spoken(200, 2).values())}
    return make_test(systems(count, sentences), RATE, anchors, listeners)


def sharp(worth: dict[str, float]) -> Listener:
    """A listener who hears how much each system is worth: it answers by these numbers."""

    def answer(trial: Trial) -> int:
        wished = {HIDDEN_REFERENCE: 4.0, LOW_ANCHOR: 1.0, **worth}[trial.system]
        return int(np.clip(round(wished), SCALE[0], SCALE[-1]))

    return answer


def given(key: AnswerKey, code: str, answer: Listener) -> Iterator[SubmittedAnswer]:
    start = datetime.datetime.fromisoformat(NOW)
    for number, trial in enumerate(key.plan(code)):
        time = (start + datetime.timedelta(seconds=10 * number)).isoformat()
        yield SubmittedAnswer(trial.item, answer(trial), 1, time)


def answer_all(store: ListeningStore, key: AnswerKey, code: str, answer: Listener) -> None:
    store.add(key.test, code, list(given(key, code, answer)))


def sent(
    folder: Path, key: AnswerKey, code: str, answer: Listener, /, count: int | None = None, **changes: Any
) -> Path:
    """The file of a listener with `count` answers, by default all; `changes` replace its fields."""
    answers = [dataclasses.asdict(each) for each in given(key, code, answer)][:count]
    content = {"format": FORMAT, "test": key.test, "code": code, "answers": answers}
    path = folder / f"bersiv ş {code}.json"
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")
    return path
