"""Sounds that a level meter takes for speech, in files of every kind, for tests that need no real voice."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile


def syllables(seconds: float, pitch: float = 150.0, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """(samples,): harmonics of `pitch` Hz in four swells a second, and a little noise."""
    time = np.arange(round(seconds * rate)) / rate
    voice = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 8))
    noise = np.random.default_rng(seed).normal(scale=0.001, size=len(time))
    return 0.2 * voice * np.sin(np.pi * 4 * time) ** 2 + noise


def encoded(waveform: np.ndarray, rate: int, form: str = "MP3", subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    subtype = "MPEG_LAYER_III" if form == "MP3" else subtype
    soundfile.write(buffer, waveform, rate, format=form, subtype=subtype)
    return buffer.getvalue()


def common_voice(folder: Path, rows: Iterable[dict]) -> Path:
    """An official folder. Rows: `sentence`, `seconds`, and what else the table says; every sound is another one."""
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    columns = ["client_id", "path", "sentence", "up_votes", "down_votes", "age", "gender"]
    with (folder / "validated.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        writer.writeheader()
        for number, row in enumerate(rows):
            sound = row.get("audio") or encoded(syllables(row["seconds"], rate=32_000, seed=number), 32_000)
            known = {"client_id": "aaa", "path": f"{number}.mp3", "up_votes": 2, "down_votes": 0}
            known |= {name: row[name] for name in columns if name in row}
            (folder / "clips" / known["path"]).write_bytes(sound)
            writer.writerow(known)
    return folder
