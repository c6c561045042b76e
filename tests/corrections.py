"""Takes and corrections for the tests of the store."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speechlike import syllables

from kurdtts_lib.feedback.database import Correction
from kurdtts_lib.feedback.store import FeedbackStore

RATE = 16_000
TEXT = "Roj baş heval, ez li vir im"
OTHER = "Şev baş heval, tu li ku yî"


def take(number: int) -> tuple[np.ndarray, int]:
    """A good take; every number is another one."""
    return np.rint(32768 * syllables(2.0, seed=number)).astype(np.int16), RATE


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return FeedbackStore(tmp_path / "dengên min ş")


def submit(store: FeedbackStore, number: int = 0, text: str = TEXT, **more: str) -> Correction:
    return store.submit(take(number), text, consent=True, **more)


def used(store: FeedbackStore, number: int = 0, voice: str = "v2") -> Correction:
    id = submit(store, number).id
    store.accept(id)
    store.mark_used([id], voice)
    return store.get(id)


def files(store: FeedbackStore) -> list[str]:
    return sorted(path.name for path in store.sounds.iterdir()) if store.sounds.is_dir() else []


def decode_take(source: bytes | Path) -> tuple[np.ndarray, int]:
    """Its exact samples, (samples, channels), int16, and its rate in Hz."""
    return soundfile.read(io.BytesIO(source) if isinstance(source, bytes) else source, dtype="int16", always_2d=True)


def samples(store: FeedbackStore, correction: Correction) -> list[int]:
    return decode_take(store.sound(correction))[0][:, 0].tolist()
