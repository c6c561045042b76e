"""A prepared folder's lists, and the three parts of its sentences."""

from collections import Counter
from pathlib import Path

import pytest

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.data.dataset import Clip, part_of, read_metadata, read_parts, write_metadata


def test_the_split_keeps_about_the_share_and_moves_no_held_out_sentence() -> None:
    texts = [f"gotin {number}" for number in range(2000)]
    before = {text: part_of(text, 0.1) for text in texts}
    counts = Counter(before.values())
    assert 0.88 < counts["train"] / len(texts) < 0.92
    assert 0.4 < counts["test"] / (counts["test"] + counts["validation"]) < 0.6
    assert {part_of(text, 0.3) for text in texts if before[text] == "train"} == {"train", "validation", "test"}
    assert all(part_of(text, 0.3) == part for text, part in before.items() if part != "train")


def test_metadata_round_trip_and_its_errors(tmp_path: Path) -> None:
    for read in (read_metadata, read_parts):
        with pytest.raises(CorpusError, match="kurdtts prepare"):
            read(tmp_path)
    rows = [("wavs/1.wav", "roj baş"), ("wavs/2.wav", "min'ra")]
    write_metadata(tmp_path / "metadata.csv", rows)
    assert read_metadata(tmp_path) == [Clip(tmp_path / file, text) for file, text in rows]
    (tmp_path / "metadata.csv").write_text("a.wav|roj baş\nb.wav\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="line 2"):
        read_metadata(tmp_path)
