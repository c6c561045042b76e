"""Small corpora of every form, made on the spot: three clips, real MP3 at 32 kHz and 48 kHz."""

import csv
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
from speechlike import common_voice, encoded, syllables

from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.data.sources import read_corpus, speaker_name

ROWS = [("aaa", "Ez diçim malê.", 2, 0), ("aaa", "Tu li ku yî?", 3, 0), ("bbb", "Roj baş!", 0, 1)]
NAMED_ROWS = [(speaker_name(row[0]), *row[1:]) for row in ROWS]
"""As a corpus gives them."""
SENTENCES = [row[1] for row in ROWS]
RATES = (32_000, 48_000, 32_000)


SOUNDS = [encoded(syllables(1.5, rate=rate, seed=seed), rate) for seed, rate in enumerate(RATES)]


def write_sounds(folder: Path, names: tuple[str, ...] = ("0.mp3", "1.mp3", "2.mp3")) -> None:
    for name, sound in zip(names, SOUNDS, strict=True):
        write(folder / name, sound)


def write_common_voice(folder: Path) -> Path:
    columns = ("client_id", "sentence", "up_votes", "down_votes", "audio")
    rows = [(*row, sound) for row, sound in zip(ROWS, SOUNDS, strict=True)]
    return common_voice(folder, [dict(zip(columns, row, strict=True)) for row in rows])


def write_parquet(folder: Path) -> Path:
    columns = {
        "client_id": [row[0] for row in ROWS],
        "path": [{"bytes": sound, "path": f"{number}.mp3"} for number, sound in enumerate(SOUNDS)],
        "sentence": SENTENCES,
        "up_votes": [row[2] for row in ROWS],
        "down_votes": [row[3] for row in ROWS],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "train.parquet")
    return folder


def source(path: Path, **changes: object) -> CorpusSettings:
    return CorpusSettings(source=str(path), **changes)  # type: ignore[arg-type]


def read(path: Path, **changes: object) -> list[Clip]:
    return list(read_corpus(source(path, **changes)))


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def write_table(folder: Path, **columns: list) -> None:
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "x.parquet")


def as_metadata_bars(folder: Path) -> None:
    write_sounds(folder)
    write(folder / "metadata.csv", "".join(f"{number}.mp3|{text}\n" for number, text in enumerate(SENTENCES)))


def as_metadata_commas(folder: Path) -> None:
    write_sounds(folder / "wavs")
    rows = [["speaker", "text", "file_name"], *(["x", text, f"{n}.mp3"] for n, text in enumerate(SENTENCES))]
    with (folder / "metadata.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)


def as_pairs(folder: Path) -> None:
    write_sounds(folder / "a", ("0.mp3", "1.MP3", "2.mp3"))
    for number, text in enumerate(SENTENCES):
        write(folder / "a" / f"{number}.txt", f"\ufeff{text}\r\n")


def as_bytes_column(folder: Path) -> None:
    write_table(folder, sound=SOUNDS, text=SENTENCES)


def as_struct_column(folder: Path) -> None:
    write_table(folder, sound=[{"bytes": sound, "path": None} for sound in SOUNDS], transcript=SENTENCES)


def as_path_column(folder: Path) -> None:
    write_sounds(folder / "wavs")
    write_table(folder, file=[f"wavs/{number}.mp3" for number in range(3)], normalized_text=SENTENCES)


FORMS: list[Callable[[Path], object]] = [
    write_common_voice,
    write_parquet,
    as_metadata_bars,
    as_metadata_commas,
    as_pairs,
    as_bytes_column,
    as_struct_column,
    as_path_column,
]
